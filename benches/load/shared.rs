//! The refresh on PostgreSQL and Redis: what it costs the server, PostgreSQL and Redis, in CPU time, round trips and
//! write-ahead log; and what the number of sessions in the table changes. Both servers are private ones with the
//! durability of production: every commit is synced.

use std::net::SocketAddr;
use std::time::Duration;

use chancery::app::open_store;
use chancery::clock::Clock;
use chancery::config::{Settings, Sources, variable_of};
use chancery::keys::Keys;
use chancery::tokens::{RefreshToken, SessionId};
use diesel::connection::SimpleConnection;

use crate::client::Client;
use crate::measure::{self, Load, Plan};
use crate::process::postgres::Postgres;
use crate::process::redis::Redis;
use crate::process::{Home, Server};
use crate::signature::Signer;
use crate::{CONNECTIONS, PASSWORD, Rounds, USER};

/// As in production, but for what a folder of a test machine is too small for.
const POSTGRES: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    ("shared_preload_libraries", "pg_stat_statements"),
];

/// Both servers and an installation on them.
pub struct Shared {
    pub postgres: Postgres,
    pub redis: Redis,
}

/// One issuer there: a database of its own, and a server.
pub struct Issuer {
    home: Home,
    database: String,
    pub server: Server,
}

/// What a refresh cost besides the server's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub postgres: Duration,
    pub redis: Duration,
    pub statements: f64,
    pub wal_bytes: f64,
    pub commands: f64,
}

impl Shared {
    pub fn start() -> Self {
        let postgres = Postgres::start_with(&POSTGRES);
        Self { postgres, redis: Redis::start() }
    }

    /// An issuer with so many open sessions in its table.
    pub fn issuer(&self, name: &'static str, sessions: u32) -> Issuer {
        let url = self.postgres.create_database(name);
        let home = Home::new()
            .with("CHANCERY__DATABASE__URL", &url)
            .with("CHANCERY__REDIS__URL", &self.redis.url())
            .with("CHANCERY__REDIS__KEY_PREFIX", name);
        home.create_user(USER, PASSWORD);
        let kind = ["--public", "--grant", "password", "--grant", "refresh_token"];
        // For who is told to come again, although the commit was only slow.
        home.create_client("app", &[&kind[..], &["--refresh-reuse-leeway", "10s"]].concat());
        let server = home.serve();
        let mut connection = self.postgres.connect(name);
        let filling = fill(sessions);
        for statement in
            ["CREATE EXTENSION pg_stat_statements", &filling, "VACUUM ANALYZE sessions", "CHECKPOINT"]
        {
            connection.batch_execute(statement).unwrap();
        }
        Issuer { home, database: name.to_owned(), server }
    }

    /// One round of load on an issuer.
    pub fn round(&self, plan: &Plan, issuer: &Issuer, clients: &mut [Client]) -> (Load, Cost) {
        let (mut counts, mut cpu) = ([Counts::default(); 2], [Cpu::default(); 2]);
        let load = measure::run_observed(plan, issuer.server.id(), clients, |is_end| {
            // The counting costs PostgreSQL something, too: it is left out.
            if is_end {
                cpu[1] = Cpu::read(self);
                counts[1] = Counts::read(self, issuer);
            } else {
                counts[0] = Counts::read(self, issuer);
                cpu[0] = Cpu::read(self);
            }
        });
        let cost = cost(counts, cpu, load.count);
        (load, cost)
    }
}

impl Issuer {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Clients that refresh sessions from all over the table.
    pub fn refreshers(&self, shared: &Shared, sessions: u32) -> Vec<Client> {
        Client::refreshing(self.address(), self.tokens(shared, sessions), CONNECTIONS)
    }

    /// Clients that log in.
    pub fn people(&self) -> Vec<Client> {
        let form = format!("grant_type=password&client_id=app&username={USER}&password={PASSWORD}");
        Client::posting(self.address(), &form, 4)
    }

    /// Refresh tokens of sessions that the benchmark, not the server, put there: it has the master key.
    fn tokens(&self, shared: &Shared, sessions: u32) -> Vec<String> {
        let wanted: u32 = 2048;
        let percent = (150.0 * f64::from(wanted) / f64::from(sessions)).min(100.0);
        let ids = format!(
            "SELECT string_agg(encode(id, 'hex'), ' ') FROM (SELECT id FROM sessions TABLESAMPLE \
             BERNOULLI ({percent}) LIMIT {wanted}) AS picked"
        );
        let ids = shared.postgres.query(&self.database, &ids);
        let keys = actix_rt::System::new().block_on(self.keys());
        let token = |id: &str| {
            let session = SessionId::parse(id).unwrap();
            RefreshToken { session, generation: 0 }.encode(keys.ring().mac()).unwrap()
        };
        ids.split(' ').map(token).collect()
    }

    async fn keys(&self) -> Keys {
        let variable = |(key, value): (&str, String)| (variable_of(key), value);
        let url = self.home.setting("CHANCERY__DATABASE__URL").to_owned();
        let master = self.home.master_key().display().to_string();
        let environment = [("database.url", url), ("keys.master_key_file", master)].map(variable).to_vec();
        let settings = Settings::load(&Sources { environment, ..Sources::default() }).unwrap();
        let store = open_store(&settings).await.unwrap();
        Keys::open(store, Clock::System, settings.keys).await.unwrap()
    }
}

/// Sessions of one user that were opened over the last week, with ids as the server makes them: by time, then by chance.
fn fill(sessions: u32) -> String {
    format!(
        "INSERT INTO sessions SELECT
            decode(lpad(to_hex(((now - {week} + {week} * i / {sessions}) * 1000)::bigint), 12, '0')
                || '7' || substr(md5(i::text), 1, 3) || 'a' || substr(md5(i::text), 4, 15), 'hex'),
            (SELECT id FROM users), 'app', '', NULL, 'pwd', 0,
            now - {week} + {week} * i / {sessions}, now - {week} + {week} * i / {sessions},
            now + {week}, now + 4 * {week}, NULL, NULL
        FROM generate_series(1, {sessions}::bigint) AS i, (SELECT extract(epoch FROM now())::bigint AS now) AS clock",
        week = 7 * 24 * 3600,
    )
}

/// CPU times at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Cpu {
    postgres: Duration,
    redis: Duration,
}

impl Cpu {
    fn read(shared: &Shared) -> Self {
        Self {
            postgres: measure::cpu_time_of_children(shared.postgres.pid()),
            redis: measure::cpu_time(shared.redis.pid()),
        }
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    statements: f64,
    wal_bytes: f64,
    commands: f64,
}

impl Counts {
    fn read(shared: &Shared, issuer: &Issuer) -> Self {
        let number = |query: &str| shared.postgres.query(&issuer.database, query).parse::<f64>().unwrap();
        // Everything but what this benchmark asks. BEGIN and COMMIT are round trips too.
        let statements = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements \
                          WHERE query NOT LIKE '%pg_%' AND dbid = (SELECT oid FROM pg_database \
                          WHERE datname = current_database())";
        let stats = shared.redis.command(&["INFO", "commandstats"]);
        let calls = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            (name != "info").then(|| rest.split(',').next()?.parse::<f64>().ok())?
        };
        Self {
            statements: number(statements),
            wal_bytes: number("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"),
            commands: stats.lines().filter_map(calls).sum(),
        }
    }
}

fn cost(counts: [Counts; 2], cpu: [Cpu; 2], requests: u32) -> Cost {
    let each = |value: fn(&Counts) -> f64| (value(&counts[1]) - value(&counts[0])) / f64::from(requests);
    Cost {
        postgres: cpu[1].postgres.saturating_sub(cpu[0].postgres) / requests,
        redis: cpu[1].redis.saturating_sub(cpu[0].redis) / requests,
        statements: each(|counts| counts.statements),
        wal_bytes: each(|counts| counts.wal_bytes),
        commands: each(|counts| counts.commands),
    }
}

/// Rounds of a load, with what each cost besides.
pub type Measured = (Rounds, Vec<Cost>);

/// Refreshes on both tables in turn, with signatures around each round: whatever else the machine does meets all.
pub fn compare(
    plan: &Plan,
    shared: &Shared,
    signer: &Signer,
    issuers: [&Issuer; 2],
    clients: [&mut [Client]; 2],
) -> [Measured; 2] {
    let mut measured = [Measured::default(), Measured::default()];
    let [small, large] = clients;
    for _ in 0..plan.rounds {
        round(plan, shared, signer, issuers[0], small, &mut measured[0]);
        round(plan, shared, signer, issuers[1], large, &mut measured[1]);
    }
    measured
}

/// One kind of load alone.
pub fn one(
    plan: &Plan,
    shared: &Shared,
    signer: &Signer,
    issuer: &Issuer,
    clients: &mut [Client],
) -> Measured {
    let mut measured = Measured::default();
    for _ in 0..plan.rounds {
        round(plan, shared, signer, issuer, clients, &mut measured);
    }
    measured
}

fn round(
    plan: &Plan,
    shared: &Shared,
    signer: &Signer,
    issuer: &Issuer,
    clients: &mut [Client],
    (rounds, costs): &mut Measured,
) {
    let before = signer.cpu_of_one(plan.signatures);
    let (load, cost) = shared.round(plan, issuer, clients);
    rounds.signatures.push(f64::midpoint(before, signer.cpu_of_one(plan.signatures)));
    rounds.loads.push(load);
    costs.push(cost);
}
