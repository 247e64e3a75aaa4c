dev: ; cargo run -- dev
