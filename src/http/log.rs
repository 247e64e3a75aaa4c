//! One line a request to the endpoints: the method, the route (never the query, which may hold what does not belong
//! there), who asked, the status, and why it was refused. Documents and health, which are fetched all the time, have none.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::field::Empty;
use tracing::{Span, info, info_span, warn};
use tracing_actix_web::{RequestId, RootSpanBuilder};

use super::address::client_address;
use crate::app::App;

/// Writes the line at the end of a request.
pub struct RequestLog;

impl RootSpanBuilder for RequestLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        let route = request.match_pattern().unwrap_or_default();
        let app = request.app_data::<Data<App>>();
        let address = app.map(|app| client_address(request.head(), &app.issuer.settings.server).to_string());
        // The client and the user are recorded by `oauth`, once they are known.
        info_span!("request", id, method = %request.method(), route, address, client = Empty, user = Empty)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, error) = match outcome {
            Ok(response) => (response.status(), response.response().error().map(ToString::to_string)),
            Err(error) => (error.as_response_error().status_code(), Some(error.to_string())),
        };
        let _entered = span.enter();
        let (status, reason) = (status.as_u16(), error.as_deref());
        if status >= 500 { warn!(status, reason, "failed") } else { info!(status, reason, "answered") }
    }
}
