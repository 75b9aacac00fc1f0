# `make` tells what there is. A fresh Debian machine needs Rust and make; the rest is installed where it is missing.
.DEFAULT_GOAL := help
.PHONY: help install-deps build pgo demo test check bench bench-replay bench-live accuracy ordinary learn fuzz deb deb-test

# What `make accuracy`, `make ordinary` and `make learn` draw from.
SEED ?= 1
# Connections of `make ordinary`.
FLOWS ?= 300000

# Seconds that `make fuzz` gives each target.
SECONDS_EACH ?= 60

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-18s %s\n", $$1, $$2 }'

install-deps: ## install what builds, tests and fuzzing need (apt-get, only what is missing)
	@tools/needs build test fuzz

build: ## the program, as target/release/patchspan
	@tools/needs build
	cargo build --release --locked

pgo: ## a tenth quicker, as target/pgo/patchspan: built by what an instrumented build counts (rustup; 15 minutes)
	@tools/needs build
	@tools/pgo

demo: build ## build, then show the prototype's two cases
	@tools/demo

test: ## the whole test suite, comparisons with tshark included
	@tools/needs build test
	@tools/test

check: ## formatting and lints
	@tools/needs build
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets --locked -- -D warnings

bench: ## one benchmark a stage, compared with the last run
	@tools/needs build
	cargo bench --bench stages

bench-replay: ## whole replays of made-up captures, beside a bare libpcap loop and other programs (4 GB of memory; 10 minutes)
	@tools/needs build bench
	cargo bench --bench replay -- compare

bench-live: ## the whole sensor on a mirror port, beside tcpdump and ndpiReader (as root; 20 minutes)
	@tools/needs build bench
	@tools/bench-live

accuracy: build ## how right the program is, on scenarios drawn from SEED (1; several in quotes) (as root; six minutes a seed)
	@tools/needs lab
	@tools/accuracy $(SEED)

ordinary: build ## what it wrongly calls a download in FLOWS (300000) ordinary connections (as root; 20 minutes)
	@tools/needs lab
	@mkdir -p target/ordinary
	@python3 pcaps/lab/accuracy/ordinary.py --program target/release/patchspan --out target/ordinary --seed $(SEED) --flows $(FLOWS)

learn: build ## how much `patchspan learn` finds of what verification hosts do, drawn from SEED (1; several in quotes)
	@python3 pcaps/lab/accuracy/verification.py --made --program target/release/patchspan --out target/learn --seed $(SEED) --rounds 144

fuzz: ## every fuzz target for SECONDS_EACH (60) seconds
	@tools/needs build fuzz
	fuzz/run $(SECONDS_EACH)

deb: ## a Debian package, in target/debian
	@tools/needs build deb
	@tools/deb

deb-test: deb ## install it in a clean Debian, run it there, by systemd too, purge it (as root; five minutes)
	@tools/needs root
	@tools/deb-test
