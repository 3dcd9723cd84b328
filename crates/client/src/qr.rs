//! QR codes: key codes shown, and key codes and link texts read from a picture.

use crate::app::{App, blocking};
use crate::contacts::{id, own_side};
use crate::directory;
use crate::failure::Failure;
use crate::view::{LinkStatus, Qr, QrComparison};
use image::{ImageReader, Limits};
use qrcode::{Color, EcLevel, QrCode};
use std::io::Cursor;
use waxwing_crypto::key_code::{Comparison, KeyCode, Scanned, Side};
use waxwing_crypto::link::LinkText;
use waxwing_vault::rows::Contact;
use zeroize::Zeroizing;

/// The largest side of a picture, in pixels.
const MOST_PIXELS: u32 = 12_000;
/// The most memory that a picture may take while it is read, in bytes.
const MOST_MEMORY: u64 = 512 << 20;
/// The most that a QR code carries, in bytes (ISO/IEC 18004, version 40-L).
const MOST_CARRIED: usize = 2953;

/// A picture in shades of grey.
pub struct Picture {
    width: usize,
    height: usize,
    /// Line by line, 0 is black. May show a secret.
    light: Zeroizing<Vec<u8>>,
}

impl Picture {
    /// Reads a picture file, PNG or JPEG. Slow.
    ///
    /// # Errors
    /// [`Failure::PictureUnreadable`] for anything else, and for one of more than 12,000 pixels a side.
    pub fn from_file(bytes: &[u8]) -> Result<Self, Failure> {
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|_| Failure::PictureUnreadable)?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_PIXELS);
        limits.max_image_height = Some(MOST_PIXELS);
        limits.max_alloc = Some(MOST_MEMORY);
        reader.limits(limits);
        let picture = reader.decode().map_err(|_| Failure::PictureUnreadable)?;
        // Where it is transparent it lies on white paper.
        Self::from_rgba(
            picture.width() as usize,
            picture.height() as usize,
            picture.to_rgba8().as_raw(),
        )
    }

    /// A picture from its pixels: red, green, blue and opacity, line by line.
    ///
    /// # Errors
    /// [`Failure::PictureUnreadable`] when there are not as many as width and height say.
    pub fn from_rgba(width: usize, height: usize, pixels: &[u8]) -> Result<Self, Failure> {
        let light: Vec<u8> = pixels
            .as_chunks::<4>()
            .0
            .iter()
            .copied()
            .map(grey)
            .collect();
        if width.checked_mul(height) != Some(light.len()) || light.is_empty() {
            return Err(Failure::PictureUnreadable);
        }
        Ok(Self {
            width,
            height,
            light: Zeroizing::new(light),
        })
    }

    /// The key code that a QR code in the picture carries.
    fn key_code(&self) -> Result<Scanned, Failure> {
        self.carried(Scanned::parse).ok_or(Failure::NoKeyCode)
    }

    /// The link text that a QR code in the picture carries.
    fn link_text(&self) -> Result<Zeroizing<String>, Failure> {
        self.carried(|carried| {
            let text = str::from_utf8(carried).ok()?;
            text.parse::<LinkText>().ok()?;
            Some(Zeroizing::new(text.to_owned()))
        })
        .ok_or(Failure::NoLinkCode)
    }

    /// What the first QR code of this kind in the picture carries.
    fn carried<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut prepared =
            rqrr::PreparedImage::prepare_from_greyscale(self.width, self.height, |x, y| {
                self.light[y * self.width + x]
            });
        prepared.detect_grids().iter().find_map(|grid| {
            let mut carried = Zeroizing::new(Vec::with_capacity(MOST_CARRIED));
            grid.decode_to(&mut *carried).ok()?;
            read(&carried)
        })
    }
}

impl App {
    /// This account's own half of a key code.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn own_qr(&self) -> Result<Qr, Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        self.with_store(move |store| drawn(&own_side(store, &me)?.scannable()))
            .await
    }

    /// The key code of this account and a contact.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn contact_qr(&self, account: String) -> Result<Qr, Failure> {
        let (own, theirs) = self.sides(account).await?;
        drawn(&KeyCode::new(own, theirs).scannable())
    }

    /// Compares what is known of a contact's key with the QR code in a picture. When it is the same,
    /// the key is marked as compared.
    ///
    /// # Errors
    /// [`Failure::NoKeyCode`] when the picture has none; [`Failure::NotFound`].
    pub async fn compare_qr(
        &self,
        account: String,
        picture: Picture,
    ) -> Result<QrComparison, Failure> {
        let (own, theirs) = self.sides(account.clone()).await?;
        let scanned = blocking(move || picture.key_code()).await?;
        Ok(match scanned.compare(&own, &theirs) {
            Comparison::Same => {
                self.mark_compared(account, true).await?;
                QrComparison::Same
            }
            Comparison::TheirsDiffers => QrComparison::TheirsDiffers,
            Comparison::OursDiffers => QrComparison::OursDiffers,
            Comparison::Own => QrComparison::Own,
            Comparison::Neither => QrComparison::Neither,
        })
    }

    /// Takes the invitation of a new computer from a picture of its QR code, as
    /// [`accept_link`](Self::accept_link) does from its text.
    ///
    /// # Errors
    /// [`Failure::NoLinkCode`] when the picture has none; those of [`accept_link`](Self::accept_link).
    pub async fn accept_link_qr(&self, picture: Picture) -> Result<LinkStatus, Failure> {
        let text = blocking(move || picture.link_text()).await?;
        self.accept_link(text).await
    }

    async fn sides(&self, account: String) -> Result<(Side, Side), Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let account = id(&account)?;
        self.with_store(move |store| {
            let contact = store.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
            let card = directory::to_compare(&contact).ok_or(Failure::Corrupt)?;
            let theirs = Side::derive(&card.body().identity, &account);
            Ok((own_side(store, &me)?, theirs))
        })
        .await
    }
}

/// How light a pixel is on white paper (ITU-R BT.601).
fn grey([red, green, blue, opacity]: [u8; 4]) -> u8 {
    let light = (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000;
    let opacity = u32::from(opacity);
    u8::try_from((light * opacity + 255 * (255 - opacity)) / 255).unwrap_or(u8::MAX)
}

pub(crate) fn drawn(carried: &[u8]) -> Result<Qr, Failure> {
    let code = QrCode::with_error_correction_level(carried, EcLevel::M)
        .map_err(|_| Failure::internal("QR code"))?;
    let rows = code
        .to_colors()
        .chunks(code.width())
        .map(|row| {
            let cell = |color: &Color| color.select('1', '0');
            row.iter().map(cell).collect()
        })
        .collect();
    Ok(Qr { rows })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use waxwing_crypto::keys::{DeviceKey, TransportKey};
    use waxwing_crypto::link::NewDevice;
    use waxwing_wire::ids::{DeviceId, MailboxId};

    /// A picture of a code as a screen shows it, on transparent ground.
    fn pixels(qr: &Qr, scale: usize) -> (usize, Vec<u8>) {
        let side = (qr.rows.len() + 8) * scale;
        let mut pixels = vec![0; side * side * 4];
        for (y, row) in qr.rows.iter().enumerate() {
            for (x, _) in row.bytes().enumerate().filter(|(_, cell)| *cell == b'1') {
                for at in 0..scale * scale {
                    let (down, right) =
                        ((y + 4) * scale + at / scale, (x + 4) * scale + at % scale);
                    pixels[(down * side + right) * 4 + 3] = 255;
                }
            }
        }
        (side, pixels)
    }

    #[test]
    fn what_is_drawn_is_read_again() {
        let carried = [b"waxwing/key-code/v1".as_slice(), &[7; 32], &[0xe9; 32]].concat();
        let qr = drawn(&carried).unwrap();
        for scale in [2, 5, 9] {
            let (side, pixels) = pixels(&qr, scale);
            let picture = Picture::from_rgba(side, side, &pixels).unwrap();
            let scanned = picture.key_code().unwrap();
            assert_eq!(scanned, Scanned::Two([[7; 32], [0xe9; 32]]));
        }
    }

    #[test]
    fn of_two_codes_in_a_picture_each_is_read_for_its_purpose() {
        let mut rng = rand::rng();
        let new = NewDevice::begin(
            DeviceId::generate(&mut rng),
            MailboxId::generate(&mut rng),
            &DeviceKey::generate(&mut rng),
            &TransportKey::generate(&mut rng),
            &mut rng,
        );
        let relay = "https://relay.example/".to_owned();
        let text = new.unwrap().text(relay, "Laptop".to_owned()).expose();
        let link = drawn(text.as_bytes()).unwrap();
        let key = drawn(&[b"waxwing/key-code/v1".as_slice(), &[7; 32]].concat()).unwrap();
        let (wide, above) = pixels(&link, 4);
        let (narrow, below) = pixels(&key, 4);
        let mut both = above;
        for line in below.chunks(narrow * 4) {
            both.extend_from_slice(line);
            both.resize(both.len() + (wide - narrow) * 4, 0);
        }
        let picture = Picture::from_rgba(wide, wide + narrow, &both).unwrap();
        assert_eq!(picture.link_text().as_deref(), Ok(&*text));
        assert_eq!(picture.key_code(), Ok(Scanned::One([7; 32])));
        let (side, alone) = pixels(&key, 4);
        let picture = Picture::from_rgba(side, side, &alone).unwrap();
        assert_eq!(picture.link_text().err(), Some(Failure::NoLinkCode));
    }

    #[test]
    fn a_picture_file_is_read_and_anything_else_is_refused_in_words() {
        let qr = drawn(&[b"waxwing/key-code/v1".as_slice(), &[7; 32]].concat()).unwrap();
        let (side, pixels) = pixels(&qr, 6);
        let side = u32::try_from(side).unwrap();
        let mut file = Cursor::new(Vec::new());
        image::RgbaImage::from_raw(side, side, pixels)
            .unwrap()
            .write_to(&mut file, image::ImageFormat::Png)
            .unwrap();
        let file = file.into_inner();
        let picture = Picture::from_file(&file).unwrap();
        assert_eq!(picture.key_code(), Ok(Scanned::One([7; 32])));

        for length in [0, 1, 8, file.len() / 2] {
            let cut = Picture::from_file(&file[..length]).err();
            assert_eq!(cut, Some(Failure::PictureUnreadable), "{length} bytes");
        }
        let blank = Picture::from_rgba(64, 64, &[255; 64 * 64 * 4]).unwrap();
        assert_eq!(blank.key_code(), Err(Failure::NoKeyCode));
        let other = drawn(b"https://example.org").unwrap();
        let (side, pixels) = self::pixels(&other, 6);
        let other = Picture::from_rgba(side, side, &pixels).unwrap();
        assert_eq!(other.key_code(), Err(Failure::NoKeyCode));
        for (width, height) in [(0, 0), (64, 63), (usize::MAX, 2)] {
            assert!(Picture::from_rgba(width, height, &[255; 64 * 64 * 4]).is_err());
        }
    }
}
