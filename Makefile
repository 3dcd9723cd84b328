# Two commands matter: `make run` opens Waxwing, `make test` proves it. Both install what they need.

PROFILE ?= default
N ?= 300
WHAT ?= engines

# Where `cargo install` puts the tools that set-up builds.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.PHONY: run test check bench package kills memory-after-lock canary interop setup setup-tests face fmt lint docs licences face-checks bindings suite screens

run: setup face ## build Waxwing and open its window; PROFILE=name for another person on this computer
	cargo run -- --profile $(PROFILE)

test: setup setup-tests fmt face face-checks lint docs licences suite interop ## every check there is, the same here and in CI

check: fmt ## fast checks for while one works
	cargo check --workspace --all-targets
	npm --prefix ui run --silent check

bench: setup setup-tests face ## our figures beside their peers', in one run
	tools/setup-bench.sh
	cargo build --release -p waxwing -p waxwing-empty -p waxwing-benches
	tools/with-display.sh $${CARGO_TARGET_DIR:-target}/release/waxwing-benches

package: setup ## a Debian package under target/release/bundle/deb
	npm --prefix ui exec -- tauri build --bundles deb

kills: setup ## N times kill -9 of who sends and opens, then the count of what was lost; WHAT=rotation: of who changes keys; WHAT=backup: of who backs up
	cargo run --quiet --release -p waxwing-tests --bin kills -- --what $(WHAT) --kills $(N)

memory-after-lock: setup-tests face ## what is left in the app's memory after locking
	cargo build --quiet -p waxwing -p waxwing-tests --bins
	tools/with-display.sh $${CARGO_TARGET_DIR:-target}/debug/memory-after-lock

canary: setup-tests ## what the relay keeps of what crosses its key service: nothing
	cargo build --quiet -p waxwing-relay -p waxwing-tests --bins
	$${CARGO_TARGET_DIR:-target}/debug/canary

interop: setup-tests ## independent programs open what we seal, and the reverse
	tools/interop/run.sh

# ---- the parts

setup: ## what is needed to build and run
	tools/setup.sh run

setup-tests: ## what is needed to prove it
	tools/setup.sh test

face: setup
	npm --prefix ui run --silent build

fmt:
	cargo fmt --all --check

lint: setup
	cargo clippy --workspace --all-targets -- -D warnings

docs: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

licences: setup-tests ## licences, sources, bans and known advisories of every dependency
	tools/advisories.sh

face-checks: setup-tests face
	npm --prefix ui run --silent lint
	npm --prefix ui run --silent check
	timeout 600 npm --prefix ui run --silent test
	timeout 1200 npm --prefix ui run --silent test:browser

bindings: ## write the face's view of the shell's commands anew
	WAXWING_WRITE_BINDINGS=1 cargo test --quiet -p waxwing --lib

suite: setup-tests face ## Rust tests of the workspace, windows and all, then doc tests
	cargo build --workspace --bins
	tools/with-display.sh cargo nextest run --workspace
	cargo test --workspace --doc --quiet

screens: setup-tests face ## pictures of the real windows under target/screens
	tools/with-display.sh cargo nextest run -p waxwing-tests -E 'binary(window)'
