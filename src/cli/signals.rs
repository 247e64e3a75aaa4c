//! The signals that end a server: SIGTERM and SIGINT, each time a little faster, and SIGQUIT, which waits for nobody.

use std::pin::pin;

use actix_rt::signal::unix::{Signal, SignalKind, signal};
use futures_util::future::select;

use crate::http::Ending;

pub(super) struct Signals {
    ends: Ends,
    quit: Signal,
}

struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on none of them ends the process by itself.
    pub(super) fn take() -> std::io::Result<Self> {
        let ends =
            Ends { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { ends, quit: signal(SignalKind::quit())? })
    }

    /// Ends a server when told to, its draining when told again, and then itself: requests under way are not waited for
    /// any more.
    pub(super) async fn obey(mut self, ending: Ending) {
        let ends = async {
            self.ends.next().await;
            ending.begin(self.ends.next()).await;
            self.ends.next().await;
        };
        select(pin!(ends), pin!(self.quit.recv())).await;
    }
}

impl Ends {
    async fn next(&mut self) {
        select(pin!(self.terminate.recv()), pin!(self.interrupt.recv())).await;
    }
}
