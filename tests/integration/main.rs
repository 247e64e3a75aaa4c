//! The integration suite: over real HTTP with an injected clock, against a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod account;
mod account_deletion;
mod account_page;
mod account_sessions;
mod accounts;
mod backend;
mod browser;
mod cli;
mod cli_keys;
mod cli_settings;
mod client_authentication;
mod client_credentials;
mod codes;
mod concurrency;
mod discovery;
mod hang_ups;
mod import;
mod introspection;
mod key_commands;
mod keys;
mod lockout;
mod malformed_requests;
mod migrations;
mod other_hashes;
mod page;
mod password_grant;
mod place;
mod refresh_token_grant;
mod revocation;
mod rotation_simulation;
mod scopes_and_resources;
mod second_factor;
mod session_model;
mod sign_up;
mod store;
mod support;
mod totp;
mod userinfo;
