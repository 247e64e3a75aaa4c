//! What is issued: access tokens that anybody verifies offline, refresh tokens that work once, the sessions behind
//! them, and the blacklist. Called by `oauth`.

pub mod access_token;
pub mod blacklist;
pub mod claims;
pub mod csrf;
pub mod mfa_token;
pub mod refresh_token;
pub mod session;
mod session_id;

pub use claims::AccessClaims;
pub use mfa_token::MfaToken;
pub use refresh_token::RefreshToken;
pub use session::{Rotation, Session};
pub use session_id::SessionId;
