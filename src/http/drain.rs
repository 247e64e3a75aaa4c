//! How a server ends and loses no request. It still answers everybody for a while, and tells them to go: with
//! `Connection: close` (RFC 9112 §9.6), and with 503 from `/readyz`. Then it lets nobody in any more. Without that, what
//! clients send over connections that they hold open would meet a closed one. `cli` begins it, at a signal.

use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle, ServiceResponse};
use actix_web::http::ConnectionType;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockFilter, SockRef};
use tokio::time::{sleep, timeout};

/// How often it is looked whether everybody has gone, and how often at the most: idle connections may stay.
const MOMENT: Duration = Duration::from_millis(10);
const MOMENTS: usize = 100;

/// Whether a server drains, and how many connections it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_on: AtomicBool,
    connections: AtomicUsize,
}

/// A connection, until it is closed.
pub(super) struct Guest(Drain);

impl Drain {
    pub(super) fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) -> Guest {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Guest(self.clone())
    }

    /// Answers, and tells the client to go if it is time.
    pub(super) async fn tell<B, E>(
        self,
        answer: impl Future<Output = Result<ServiceResponse<B>, E>>,
    ) -> Result<ServiceResponse<B>, E> {
        let mut answer = answer.await?;
        if self.is_on() {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(answer)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends a server.
#[derive(Debug)]
pub struct Ending {
    drain: Drain,
    listener: TcpListener,
    server: ServerHandle,
    time: Duration,
}

impl Ending {
    pub(super) fn of(server: &Server, drain: Drain, listener: TcpListener, time: Duration) -> Self {
        Self { drain, listener, server: server.handle(), time }
    }

    /// Drains, unless there is a hurry, and then has the server end as soon as requests under way are answered.
    pub async fn begin(self, hurry: impl Future<Output = ()>) {
        self.drain.0.is_on.store(true, Ordering::Relaxed);
        if !self.time.is_zero() {
            tracing::info!(seconds = self.time.as_secs(), "draining; another signal ends it");
            if timeout(self.time, hurry).await.is_err()
                && let Err(error) = self.shut_the_door().await
            {
                tracing::debug!(%error, "connections that are made just now may be lost");
            }
        }
        drop(self.listener); // or clients would wait at it
        // The command is sent at once; the server tells when it is done.
        drop(self.server.stop(true));
    }

    /// Lets nobody in any more, and sees everybody out: the server would close a connection of which it has not read the
    /// request yet.
    async fn shut_the_door(&self) -> std::io::Result<()> {
        pass_over(&self.listener)?;
        wait(|| !is_somebody_waiting(&self.listener)).await;
        self.server.pause().await;
        sleep(MOMENT).await; // the server minds a listener that is shut before it has paused
        SockRef::from(&self.listener).shutdown(Shutdown::Read)?; // from now on they are refused
        wait(|| self.drain.0.connections.load(Ordering::Relaxed) == 0).await;
        Ok(())
    }
}

/// For a while.
async fn wait(is_over: impl Fn() -> bool) {
    for _ in 0..MOMENTS {
        sleep(MOMENT).await;
        if is_over() {
            return;
        }
    }
}

/// Has the system pass over whoever begins to connect: a listener that is shut loses the connections that it has not
/// accepted yet. Whoever is passed over asks again after a second, is refused then, and goes elsewhere.
#[cfg(target_os = "linux")]
fn pass_over(listener: &TcpListener) -> std::io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13; // where they are in a TCP header
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn pass_over(_: &TcpListener) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Whether the server has connections to accept.
fn is_somebody_waiting(listener: &TcpListener) -> bool {
    let mut listeners = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut listeners, Some(&Timespec::default())).is_ok_and(|waiting| waiting > 0)
}
