//! A TCP proxy on loopback between a server and its database or Redis. It stands for the network, and breaks as networks
//! do: connections that are cut, refused, or swallow what is sent into them without a sign.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::await_within;
use crate::process::daemon::free_port;
use crate::trap::{Moment, Trap, Watch};

/// Ends with all its connections when this is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Accepts, and forwards nothing.
    BlackHole,
    Refuse,
    Ended,
}

struct Shared {
    port: u16,
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: Mode,
    /// How many connections there have been; each has its number.
    count: u64,
    /// Those that are dead without a sign: all with lower numbers, and these.
    frozen: (u64, Vec<u64>),
    open: Vec<(u64, TcpStream)>,
    trap: Option<Trap>,
}

impl Proxy {
    /// One before a port on loopback.
    pub fn before(target: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let state =
            State { mode: Mode::Pass, count: 0, frozen: (0, Vec::new()), open: Vec::new(), trap: None };
        let shared = Arc::new(Shared { port, target, state: Mutex::new(state), changed: Condvar::new() });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&shared, Some(listener))
        });
        Self { shared, acceptor: Some(acceptor) }
    }

    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Mends whatever was broken, but for connections that are gone; what black holes hold back goes on.
    pub fn pass(&self) {
        self.set(Mode::Pass);
    }

    /// From now on connections are accepted and stay open, but nothing gets through.
    pub fn black_hole(&self) {
        self.set(Mode::BlackHole);
    }

    /// What is connected now stays so, and nothing gets through there ever again. New connections are well.
    pub fn freeze(&self) {
        let mut state = self.shared.lock();
        state.frozen.0 = state.count;
    }

    /// Ends every connection; new ones are well.
    pub fn cut(&self) {
        for (_, stream) in self.shared.lock().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // its other end may have been quicker
        }
    }

    /// Nobody listens any more.
    pub fn refuse(&self) {
        self.set(Mode::Refuse);
        self.cut();
        // Each attempt wakes the acceptor, too.
        let is_refused = || TcpStream::connect(("127.0.0.1", self.port())).is_err();
        await_within(Duration::from_secs(5), "connections are refused", is_refused);
    }

    /// Cuts connections over which a statement passes.
    pub fn set_trap(&self, trap: Trap) {
        self.shared.lock().trap = Some(trap);
    }

    /// How often the trap may yet cut.
    pub fn trap_left(&self) -> usize {
        self.shared.lock().trap.as_ref().map_or(0, |trap| trap.left)
    }

    fn set(&self, mode: Mode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port())); // wakes the acceptor if it listens
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits while nothing gets through on a connection; false when nothing ever will.
    fn lets_through(&self, number: u64) -> bool {
        let is_held = |state: &mut State| match state.mode {
            Mode::BlackHole => true,
            Mode::Ended => false,
            Mode::Pass | Mode::Refuse => number < state.frozen.0 || state.frozen.1.contains(&number),
        };
        let state = self.changed.wait_while(self.lock(), is_held).unwrap();
        state.mode != Mode::Ended
    }

    fn enter(&self, streams: [&TcpStream; 2], number: u64) {
        let mut state = self.lock();
        // Accepted just before nobody listened any more.
        if state.mode == Mode::Refuse {
            let _ = streams.map(|stream| stream.shutdown(Shutdown::Both));
            return;
        }
        state.open.extend(streams.map(|stream| (number, stream.try_clone().unwrap())));
    }

    fn leave(&self, number: u64) {
        self.lock().open.retain(|(other, stream)| {
            let stays = *other != number;
            if !stays {
                let _ = stream.shutdown(Shutdown::Both); // its other end may have been quicker
            }
            stays
        });
    }

    fn spring(&self, watch: &mut Watch, sent: &[u8]) -> Option<Moment> {
        watch.learn(sent);
        self.lock().trap.as_mut()?.spring(watch, sent)
    }
}

fn accept(shared: &Arc<Shared>, mut listener: Option<TcpListener>) {
    loop {
        let mode = shared.lock().mode;
        match mode {
            Mode::Ended => return,
            Mode::Refuse => {
                drop(listener.take());
                let is_refused = |state: &mut State| state.mode == Mode::Refuse;
                drop(shared.changed.wait_while(shared.lock(), is_refused).unwrap());
                continue;
            }
            Mode::Pass | Mode::BlackHole => {}
        }
        let listener = listener.get_or_insert_with(|| TcpListener::bind(("127.0.0.1", shared.port)).unwrap());
        let (client, _) = listener.accept().unwrap();
        let number = {
            let mut state = shared.lock();
            state.count += 1;
            state.count - 1
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || connect(&shared, client, number));
    }
}

/// Joins a client to what is behind the proxy.
fn connect(shared: &Arc<Shared>, client: TcpStream, number: u64) {
    shared.enter([&client, &client], number);
    if shared.lets_through(number)
        && let Ok(server) = TcpStream::connect(("127.0.0.1", shared.target))
    {
        shared.enter([&server, &server], number);
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let swallows = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| shared.send(number, &client, &server, &swallows));
            shared.answer(number, &server, &client, &swallows);
        });
    }
    shared.leave(number);
}

impl Shared {
    /// From the client to the server, with an eye on the trap.
    fn send(&self, number: u64, client: &TcpStream, server: &TcpStream, swallows: &AtomicBool) {
        let mut watch = Watch::default();
        self.pump(number, client, server, |sent| match self.spring(&mut watch, sent) {
            None => true,
            Some(Moment::BeforeItArrives) => false,
            Some(Moment::BeforeItIsAnswered) => {
                swallows.store(true, Ordering::SeqCst);
                true
            }
            Some(Moment::Never) => {
                self.lock().frozen.1.push(number);
                self.lets_through(number)
            }
        });
    }

    /// From the server to the client.
    fn answer(&self, number: u64, server: &TcpStream, client: &TcpStream, swallows: &AtomicBool) {
        self.pump(number, server, client, |_| !swallows.load(Ordering::SeqCst));
    }

    /// Forwards until one end is closed, or what is read does not pass.
    fn pump(
        &self,
        number: u64,
        mut from: &TcpStream,
        mut to: &TcpStream,
        mut passes: impl FnMut(&[u8]) -> bool,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let sent = &buffer[..count];
            if !self.lets_through(number) || !passes(sent) || to.write_all(sent).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
