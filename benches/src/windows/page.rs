//! What happens inside the page, timed there: asking from outside would add its own pauses.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use waxwing_tests::desk::Window;
use waxwing_tests::person::PASSPHRASE;

/// How many screens of the list are scrolled through.
const SCREENS: u32 = 100;

/// Calls `done` once `look()` gives something, behind the frame that paints it.
const SEEN: &str = "
    const done = arguments[arguments.length - 1];
    const painted = (call) => requestAnimationFrame(() => setTimeout(call));
    const seen = (look, call) => {
        const found = look();
        if (found) painted(() => call(found));
        else requestAnimationFrame(() => seen(look, call));
    };
";

/// Milliseconds since 1970 at which the page first painted something. A page with a field must have
/// the focus in it.
pub(super) async fn painted(window: &Window) -> Result<f64> {
    let script = "
        const field = () => document.querySelector('input');
        const paint = () => performance.getEntriesByName('first-contentful-paint')[0];
        seen(() => paint() && (!document.querySelector('#app') || document.activeElement === field()),
             () => done(performance.timeOrigin + paint().startTime));
    ";
    run(window, script, vec![]).await
}

/// Types the passphrase and presses the button: milliseconds until the list is painted.
pub(super) async fn unlock(window: &Window) -> Result<f64> {
    window.type_into("Passphrase", PASSPHRASE).await?;
    let script = "
        const button = document.querySelector('button[type=submit]');
        const start = performance.now();
        button.click();
        seen(() => document.querySelector('[role=listbox] [role=option]'),
             () => done(performance.now() - start));
    ";
    run(window, script, vec![]).await
}

/// Scrolls through many screens of the list, each painted before the next; answers how many rows
/// the list then has.
pub(super) async fn scroll(window: &Window) -> Result<f64> {
    let script = "
        const list = document.querySelector('[role=listbox]');
        const step = (left) => {
            if (left === 0) return done(list.scrollHeight);
            list.scrollTop += list.clientHeight;
            painted(() => setTimeout(() => step(left - 1), 30));
        };
        step(arguments[0]);
    ";
    run(window, script, vec![json!(SCREENS)]).await
}

/// Writes to somebody; milliseconds from the press that sends until the row says that the relay has
/// it.
pub(super) async fn send(window: &Window, name: &str, subject: &str) -> Result<f64> {
    window.go("Sent").await?;
    window.write_to(name, subject, "On its way.").await?;
    let script = "
        const [subject] = arguments;
        const named = (name) => [...document.querySelectorAll('button')].find(
            (button) => button.textContent.trim() === name || button.ariaLabel === name);
        const button = named('Seal and send');
        const start = performance.now();
        button.click();
        seen(() => [...document.querySelectorAll('[role=option]')].find((row) => {
            const label = row.ariaLabel ?? '';
            return label.includes(subject) && /At the relay|Fetched/.test(label);
        }), () => done(performance.now() - start));
    ";
    run(window, script, vec![json!(subject)]).await
}

async fn run(window: &Window, script: &str, arguments: Vec<Value>) -> Result<f64> {
    let script = format!("{SEEN}{script}");
    let answer = window.driver.execute_async(script, arguments).await?;
    answer.json().as_f64().context("no figure from the page")
}
