//! The house's walls: who may depend on whom, and the one home of each dangerous package
//! (docs/architecture.md). Read from `cargo metadata`, so nothing is believed that is not built.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// What each member may name of the house, tests excepted.
const EDGES: &[(&str, &[&str])] = &[
    ("waxwing-wire", &[]),
    ("waxwing-crypto", &["waxwing-wire"]),
    ("waxwing-compat", &[]),
    ("waxwing-vault", &["waxwing-crypto", "waxwing-wire"]),
    (
        "waxwing-client",
        &[
            "waxwing-compat",
            "waxwing-crypto",
            "waxwing-vault",
            "waxwing-wire",
        ],
    ),
    ("waxwing-relay", &["waxwing-compat", "waxwing-wire"]),
    // The shell starts the relay on this computer; everything else it does through the client.
    ("waxwing", &["waxwing-client", "waxwing-relay"]),
];

/// Members that are no part of the product and may name anything.
const OUTSIDE: &[&str] = &["waxwing-tests", "waxwing-benches", "waxwing-empty"];

/// Packages with one home: only these members may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("sled", &["waxwing-vault", "waxwing-relay"]),
    ("reqwest", &["waxwing-client"]),
    ("axum", &["waxwing-relay"]),
    ("ed25519-dalek", &["waxwing-wire", "waxwing-crypto"]),
    ("x25519-dalek", &["waxwing-crypto"]),
    ("hpke", &["waxwing-crypto"]),
    ("aes-gcm", &["waxwing-crypto", "waxwing-relay"]),
    ("aead-stream", &["waxwing-crypto"]),
    ("argon2", &["waxwing-crypto", "waxwing-relay"]),
    ("hkdf", &["waxwing-crypto"]),
    ("aws-lc-rs", &["waxwing-compat"]),
    ("rsa", &["waxwing-compat"]),
    ("tauri", &["waxwing"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(waxwing_tests::desk::root().join("Cargo.toml"))
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata runs")
}

fn members(metadata: &Metadata) -> Vec<&Package> {
    let members: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| !OUTSIDE.contains(&package.name.as_str()))
        .collect();
    assert!(members.len() >= EDGES.len(), "members are missing");
    members
}

fn names(package: &Package) -> BTreeSet<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.clone())
        .collect()
}

/// Everything that a member's build pulls in, by name.
fn reach(metadata: &Metadata, from: &str) -> BTreeSet<String> {
    reach_ids(metadata, from)
        .iter()
        .map(|id| metadata[id].name.to_string())
        .collect()
}

/// Everything that a member's build pulls in, test dependencies excepted.
fn reach_ids(metadata: &Metadata, from: &str) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata
        .packages
        .iter()
        .find(|package| package.name == from);
    let mut open = vec![start.unwrap().id.clone()];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id.clone()) {
            let dependencies = &nodes[&id].deps;
            open.extend(
                dependencies
                    .iter()
                    .filter(|dependency| {
                        let kinds = &dependency.dep_kinds;
                        kinds
                            .iter()
                            .any(|kind| kind.kind != DependencyKind::Development)
                    })
                    .map(|dependency| dependency.pkg.clone()),
            );
        }
    }
    seen
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    for package in members(&metadata) {
        let (_, allowed) = EDGES
            .iter()
            .find(|(name, _)| package.name == name)
            .unwrap_or_else(|| panic!("{} has no place in the house", package.name));
        for name in names(package) {
            assert!(
                !name.starts_with("waxwing") || allowed.contains(&name.as_str()),
                "{} must not depend on {name}",
                package.name
            );
        }
    }
}

#[test]
fn the_relay_cannot_open_envelopes() {
    let metadata = metadata();
    let reached = reach(&metadata, "waxwing-relay");
    for closed in [
        "waxwing-crypto",
        "waxwing-vault",
        "waxwing-client",
        "hpke",
        "x25519-dalek",
    ] {
        assert!(!reached.contains(closed), "the relay reaches {closed}");
    }
    assert!(reached.contains("waxwing-wire"), "the control");
}

#[test]
fn wire_cannot_decrypt() {
    let metadata = metadata();
    let reached = reach(&metadata, "waxwing-wire");
    for closed in ["hpke", "aes-gcm", "x25519-dalek", "argon2"] {
        assert!(!reached.contains(closed), "wire reaches {closed}");
    }
}

#[test]
fn each_dangerous_package_has_one_home() {
    let metadata = metadata();
    for package in members(&metadata) {
        for name in names(package) {
            if let Some((_, homes)) = HOMES.iter().find(|(dangerous, _)| *dangerous == name) {
                assert!(
                    homes.contains(&package.name.as_str()),
                    "{} must not name {name}",
                    package.name
                );
            }
        }
    }
}

/// Private operations with small RSA keys are in `rsa`, whose time tells something of the key
/// (RUSTSEC-2023-0071). A relay answers strangers, so it must not even be able to.
#[test]
fn only_the_desktop_opens_with_small_rsa_keys() {
    let metadata = metadata();
    for package in members(&metadata) {
        for dependency in &package.dependencies {
            let is_ours = dependency.name == "waxwing-compat"
                && dependency.kind != DependencyKind::Development;
            if is_ours && package.name != "waxwing-client" {
                assert!(
                    !dependency.features.contains(&"small-keys".to_owned()),
                    "{} must not read small keys",
                    package.name
                );
            }
            if dependency.name == "rsa" {
                assert!(dependency.optional, "rsa is not switched on by itself");
            }
        }
    }
}

#[test]
fn pure_members_do_no_input_or_output() {
    let metadata = metadata();
    for pure in ["waxwing-wire", "waxwing-crypto", "waxwing-compat"] {
        let reached = reach(&metadata, pure);
        for package in ["tokio", "reqwest", "sled", "tempfile", "chrono", "time"] {
            assert!(!reached.contains(package), "{pure} reaches {package}");
        }
    }
}

#[test]
fn there_is_one_stack_of_primitives_and_no_package_we_avoid() {
    let metadata = metadata();
    let product: BTreeSet<String> = EDGES
        .iter()
        .flat_map(|(name, _)| reach(&metadata, name))
        .collect();
    for avoided in ["spake2", "opaque-ke", "openmls", "native-tls"] {
        assert!(!product.contains(avoided), "{avoided} is in the product");
    }
    let ids: BTreeSet<PackageId> = EDGES
        .iter()
        .flat_map(|(name, _)| reach_ids(&metadata, name))
        .collect();
    for single in [
        "curve25519-dalek",
        "aes-gcm",
        "aead",
        "ed25519-dalek",
        "hpke",
    ] {
        let versions: Vec<_> = metadata
            .packages
            .iter()
            // A peer that only the benches measure against may bring its own.
            .filter(|package| package.name == single && ids.contains(&package.id))
            .map(|package| package.version.to_string())
            .collect();
        assert_eq!(versions.len(), 1, "{single}: {versions:?}");
    }
}
