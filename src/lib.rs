//! Chancery: a standalone OAuth 2.0 token issuer.
//!
//! The map. Arrows point down only (`tests/architecture.rs` guards them); `docs/architecture.md` walks one request
//! through all of it.
//!
//! ```text
//! cli        the command line: one file per noun
//! http       routes and handlers; the only module that knows actix-web
//! app        everything wired once
//! oauth      the protocol: Issuer::exchange, revoke, introspect, userinfo
//! tokens     access tokens, refresh tokens, sessions, blacklist
//! keys       signing keys: ring, rotation, sealing     accounts   users, clients, passwords
//! store      the only module that speaks SQL
//! config     typed settings     clock   time     telemetry   logs
//! ```

pub mod accounts;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod keys;
pub mod oauth;
pub mod store;
pub mod telemetry;
pub mod tokens;
