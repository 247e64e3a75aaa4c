//! What an installation's database holds, read beside the program: the key ring row by row, and the sessions.

use chancery::store::Conn;
use chancery::store::keys::{self, RingRows, SigningKeyRow};
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use super::Home;

/// Every row about keys, and how many sessions there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub ring: RingRows,
    pub open_sessions: i64,
    pub closed_sessions: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Stored {
    pub fn read(home: &Home) -> Self {
        let mut connection = connect(home);
        let mut count = |condition: &str| {
            let query = sql_query(format!("SELECT COUNT(*) AS count FROM sessions WHERE {condition}"));
            query.get_result::<Count>(&mut connection).unwrap().count
        };
        let [open_sessions, closed_sessions] = ["closed_at IS NULL", "closed_at IS NOT NULL"].map(&mut count);
        let ring = keys::load(&mut Conn::Sqlite(connection)).unwrap();
        Self { ring, open_sessions, closed_sessions }
    }

    /// The first key that is in a state.
    pub fn in_state(&self, state: &str) -> &SigningKeyRow {
        self.ring.signing.iter().find(|key| key.state == state).unwrap()
    }
}

/// Changes the database behind the program's back.
pub fn damage(home: &Home, statements: &str) {
    connect(home).batch_execute(statements).unwrap();
}

fn connect(home: &Home) -> SqliteConnection {
    SqliteConnection::establish(home.database().to_str().unwrap()).unwrap()
}
