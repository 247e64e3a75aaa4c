//! A database that is there and does not do as it should: it stalls, takes no writes, or knows less than Redis.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use crate::cluster::Cluster;
use crate::login::{Leeway, Login, Outcome};
use crate::machine;
use crate::process::DATABASE;
use crate::process::http::Connection;
use crate::time::{now, within};

const PATIENCE: Duration = Duration::from_secs(20);

fn refresh(connection: &mut Connection, login: &Login) -> (u16, Duration) {
    let (client, token) = (login.leeway.client(), &login.tokens[0]);
    let asked = now();
    let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
    let status = connection.post("/token", &form).unwrap().status;
    (status, asked.elapsed())
}

#[test]
fn what_was_put_off_is_not_done_after_all() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connection = cluster.connect(0);
    let login = Login::open(&mut connection, Leeway::Strict);
    let mut holder = cluster.postgres.connect(DATABASE);
    holder.batch_execute("BEGIN; SELECT * FROM sessions FOR UPDATE").unwrap();
    let (status, time) = refresh(&mut connection, &login);
    assert_eq!(status, 503);
    assert!(time < Duration::from_millis(1500), "{time:?}");
    holder.batch_execute("COMMIT").unwrap();
    // As the client was told, it comes again.
    assert!(matches!(login.present(&mut connection, 0).unwrap(), Outcome::Successor(_)));
    assert_eq!(cluster.row(&login.sid), "1 open");
}

#[test]
fn a_database_that_takes_no_writes_is_not_used_and_an_instance_says_so() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connection = cluster.connect(0);
    let login = Login::open(&mut connection, Leeway::Strict);
    // As when the address leads to a standby after a failover.
    let read_only = |state| format!("ALTER DATABASE {DATABASE} SET default_transaction_read_only = {state}");
    cluster.postgres.execute(&read_only("on"));
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'");
    cluster.postgres.execute(&cut);
    let is_ready = |connection: &mut Connection| connection.get("/readyz").unwrap().status == 200;
    within(PATIENCE, || !is_ready(&mut connection)).expect("it is not ready");
    assert_eq!(refresh(&mut connection, &login).0, 503);
    let form = format!("token={}", login.tokens[0]);
    assert_eq!(connection.post("/revoke", &form).unwrap().status, 503);
    cluster.postgres.execute(&read_only("off"));
    within(PATIENCE, || is_ready(&mut connection)).expect("it is ready again");
    assert_eq!(refresh(&mut connection, &login).0, 200);
}

#[test]
fn a_revocation_is_the_databases_whatever_redis_says() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connection = cluster.connect(0);
    let login = Login::open(&mut connection, Leeway::Strict);
    let key = format!("test:closed:{{{}}}", login.sid);
    assert_eq!(cluster.redis.command(&["SET", &key, "1"]), "OK");
    assert_eq!(refresh(&mut connection, &login).0, 400);
    assert_eq!(connection.post("/revoke", &format!("token={}", login.tokens[0])).unwrap().status, 200);
    assert_eq!(cluster.row(&login.sid), "0 revoked");
}

#[test]
fn statements_that_were_prepared_before_a_migration_do_no_harm() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connection = cluster.connect(0);
    let login = Login::open(&mut connection, Leeway::Lenient);
    assert_eq!(refresh(&mut connection, &login).0, 200);
    let change = "ALTER TABLE sessions ALTER COLUMN scope TYPE varchar(5000)";
    cluster.postgres.connect(DATABASE).batch_execute(change).unwrap();
    assert_eq!(refresh(&mut connection, &login).0, 200);
}
