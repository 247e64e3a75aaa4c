.PHONY: help dev test fmt bench clean-test

help: ## Show this.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

dev: ## Serve on loopback with a demo user and client.
	cargo run -- dev

test: ## Check the format and the lints, and run every test.
	@scripts/test

fmt: ## Format the code.
	cargo fmt

bench: ## Run the load benchmark (a release build).
	cargo bench --bench load

clean-test: ## Remove what the interoperability and browser tests installed.
	rm -rf tests/interop/.venv tests/interop/.pytest_cache tests/browser/.venv tests/browser/node_modules examples/*/node_modules
