//! Chancery
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
