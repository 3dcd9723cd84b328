"""A window that is one file to be dragged: what a file manager is to a person.

    drag_source.py TITLE X Y FILE...

Says "ready" once it is on the screen and hears the mouse.
"""

import pathlib
import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

title, x, y, *files = sys.argv[1:]
uris = [pathlib.Path(file).resolve().as_uri() for file in files]

window = Gtk.Window(title=title)
window.set_default_size(160, 120)
handle = Gtk.EventBox()
handle.add(Gtk.Label(label="Drag"))
handle.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
handle.drag_source_add_uri_targets()
handle.connect("drag-data-get", lambda _w, _c, data, _i, _t: data.set_uris(uris))
window.add(handle)
window.move(int(x), int(y))
window.connect("map-event", lambda *_: GLib.idle_add(lambda: print("ready", flush=True)))
window.show_all()
Gtk.main()
