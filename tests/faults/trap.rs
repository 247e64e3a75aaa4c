//! What a proxy before PostgreSQL waits for to cut a connection at the worst moment: when the client sends the statement
//! that makes a change last.

/// Which statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `COMMIT`, in the simple protocol.
    Commit,
    /// The compare-and-swap of a refresh, which commits itself: a prepared statement.
    Advance,
    /// What every connection begins with.
    Settings,
}

/// When the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server never sees the statement.
    BeforeItArrives,
    /// The server has done it, the client does not hear so.
    BeforeItIsAnswered,
    /// It is not cut: it dies without a sign.
    Never,
}

/// Cuts some connections.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    pub statement: Statement,
    pub moment: Moment,
    /// How many.
    pub left: usize,
}

/// What is known of one connection.
#[derive(Default)]
pub struct Watch {
    /// The name under which the client prepared the compare-and-swap.
    advance: Option<Vec<u8>>,
}

const ADVANCE: &[u8] = b"UPDATE sessions SET generation";

impl Trap {
    /// When to cut, if what a client sends is it.
    pub fn spring(&mut self, watch: &Watch, sent: &[u8]) -> Option<Moment> {
        let is_it = match self.statement {
            Statement::Commit => contains(sent, b"COMMIT\0"),
            Statement::Advance => watch.executes_advance(sent),
            Statement::Settings => contains(sent, b"SET default_transaction_isolation"),
        };
        if !is_it || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(self.moment)
    }
}

impl Watch {
    /// Looks at what a client sends. `Parse`: `P`, four bytes of length, the name, NUL, the statement.
    pub fn learn(&mut self, sent: &[u8]) {
        if sent.first() == Some(&b'P') && contains(sent, ADVANCE) {
            let name = sent[5..].split(|byte| *byte == 0).next().unwrap();
            self.advance = Some(name.to_vec());
        }
    }

    /// `Bind`: `B`, four bytes of length, a portal without a name, NUL, the name, NUL.
    fn executes_advance(&self, sent: &[u8]) -> bool {
        let Some(name) = &self.advance else { return false };
        sent.first() == Some(&b'B') && contains(sent, &[&[0], &name[..], &[0]].concat())
    }
}

fn contains(text: &[u8], pattern: &[u8]) -> bool {
    text.windows(pattern.len()).any(|window| window == pattern)
}
