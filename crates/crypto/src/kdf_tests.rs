#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use super::*;

#[test]
fn what_costs_more_is_never_given_up() {
    let weak = KdfParams::FLOOR;
    let strong = KdfParams::DEFAULT;
    assert_eq!(weak.or_costlier(strong), strong);
    assert_eq!(strong.or_costlier(weak), strong);
    let slow = KdfParams::new(64 << 10, 16, 4).unwrap();
    assert_eq!(strong.or_costlier(slow), slow);
}

#[test]
fn bounds_are_checked_before_anything_is_allocated() {
    let refused = [
        (0, 3, 4),
        ((64 << 10) - 1, 3, 4),
        ((1 << 20) + 1, 3, 4),
        (u32::MAX, 3, 4),
        (64 << 10, 2, 4),
        (64 << 10, 17, 4),
        (64 << 10, u32::MAX, 4),
        (64 << 10, 3, 0),
        (64 << 10, 3, 17),
        (64 << 10, 3, u32::MAX),
    ];
    for (m, t, p) in refused {
        assert_eq!(KdfParams::new(m, t, p), Err(KdfError::OutOfBounds));
    }
    assert_eq!(KdfParams::new(64 << 10, 3, 4), Ok(KdfParams::FLOOR));
    assert!(KdfParams::new(1 << 20, 16, 16).is_ok());
}

#[test]
fn composed_and_decomposed_typing_stretch_to_the_same_key() {
    let composed = Passphrase::new("caf\u{e9} \u{c5}ngstr\u{f6}m");
    let decomposed = Passphrase::new("cafe\u{301} A\u{30a}ngstro\u{308}m");
    let salt = [7; SALT_LEN];
    let one = stretch(&composed, &salt, KdfParams::FLOOR).unwrap();
    let two = stretch(&decomposed, &salt, KdfParams::FLOOR).unwrap();
    assert_eq!(*one.0, *two.0);
    let other = stretch(&Passphrase::new("cafe"), &salt, KdfParams::FLOOR).unwrap();
    assert_ne!(*one.0, *other.0);
}

#[test]
fn calibration_scales_memory_first_and_passes_last() {
    let ms = Duration::from_millis;
    let cap = MAX_M_KIB;
    let d = KdfParams::DEFAULT;
    // as measured on the machine of the plan: 389 ms for the default
    let scaled = d.scaled(ms(389), cap);
    assert_eq!((scaled.m_kib >> 10, scaled.t, scaled.p), (640, 3, 4));
    // slow: down to the floor, not below
    assert_eq!(d.scaled(ms(9_000), cap), KdfParams::FLOOR);
    // fast: memory stops at 1 GiB, passes take the rest
    let fast = d.scaled(ms(100), cap);
    assert_eq!((fast.m_kib >> 10, fast.t), (1024, 7));
    // absurdly fast or a clock that stands still: inside the bounds all the same
    let still = d.scaled(ms(0), cap);
    assert_eq!((still.m_kib, still.t), (MAX_M_KIB, MAX_T));
    assert!(KdfParams::new(still.m_kib, still.t, still.p).is_ok());
}

#[test]
fn calibration_asks_the_given_clock() {
    let mut now = Duration::ZERO;
    let found = KdfParams::calibrate(|| {
        now += Duration::from_secs(1);
        now
    })
    .unwrap();
    assert_eq!(found, KdfParams::DEFAULT);
}

#[test]
fn a_passphrase_never_prints() {
    let text = format!("{:?}", Passphrase::new("correct horse"));
    assert!(!text.contains("horse"));
}

/// Runs itself again in a process that may not have as much memory as the parameters ask for.
#[cfg(unix)]
#[test]
fn too_little_memory_is_its_own_error() {
    const CHILD: &str = "WAXWING_TEST_LITTLE_MEMORY";
    if std::env::var_os(CHILD).is_some() {
        let most = KdfParams::new(1 << 20, 3, 4).unwrap();
        let stretched = stretch(&Passphrase::new("right"), &[7; SALT_LEN], most);
        let error = stretched.err();
        assert_eq!(error, Some(KdfError::NotEnoughMemory { needed_mib: 1024 }));
        return;
    }
    let child = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 800000 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "kdf::tests::too_little_memory_is_its_own_error"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
