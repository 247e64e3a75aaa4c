//! The store's promises: group commit, and what happens to a batch when one of its writes fails.

use super::support::Service;
use chancery::store::{StoreError, blacklist};
use diesel::{RunQueryDsl, sql_query};
use futures_util::{StreamExt, stream};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

/// Rows of `sessions` and of `blacklist`.
pub async fn count_rows(service: &Service) -> (i64, i64) {
    let count = |table: &'static str| {
        service.store().read(move |conn| {
            let query = sql_query(format!("SELECT count(*) AS count FROM {table}"));
            Ok(query.get_result::<Count>(conn)?.count)
        })
    };
    (count("sessions").await.unwrap(), count("blacklist").await.unwrap())
}

#[actix_rt::test]
async fn a_refused_write_does_not_harm_its_neighbours() {
    let service = Service::start().await;
    let writes = (0..60).map(|number| {
        // Every third writes a value that is taken.
        let jti = if number % 3 == 0 { "taken".to_owned() } else { number.to_string() };
        service.store().write(move |conn| blacklist::insert(conn, &jti, number))
    });
    // Not all at once: whoever waits too long for one of PostgreSQL's connections is told to come again.
    let results: Vec<_> = stream::iter(writes).buffer_unordered(12).collect().await;
    let conflicts = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict(_)))).count();
    assert_eq!((conflicts, results.len()), (19, 60));
    assert_eq!(count_rows(&service).await.1, 41);
}

#[actix_rt::test]
async fn a_failed_write_keeps_nothing_and_the_next_one_works() {
    let service = Service::start().await;
    let failed = service
        .store()
        .write(|conn| {
            blacklist::insert(conn, "lost", 1)?;
            Err::<(), _>(StoreError::Unavailable("the disk is on fire".to_owned()))
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
    assert_eq!(count_rows(&service).await.1, 0);
    let panicked = service.store().write(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(panicked, Err(StoreError::Unavailable(_))));
    service.store().write(|conn| blacklist::insert(conn, "kept", 1)).await.unwrap();
    assert_eq!(count_rows(&service).await.1, 1);
}

#[actix_rt::test]
async fn a_database_that_is_removed_under_the_server_takes_no_more_writes() {
    let service = Service::on_sqlite().await;
    let login = service.login().await;
    let [file, aside] = ["chancery.db", "aside"].map(|name| service.backend.folder.path().join(name));
    std::fs::rename(&file, &aside).unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(503, "temporarily_unavailable");
    assert_eq!(service.get("/readyz").await.status, 503);
    assert!(!file.exists(), "no empty database takes its place");
    std::fs::write(&file, "").unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(503, "temporarily_unavailable");
    std::fs::rename(&aside, &file).unwrap();
    service.refresh(login.text("refresh_token")).await.assert_ok();
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[actix_rt::test]
async fn readers_cannot_write() {
    let service = Service::on_sqlite().await;
    let refused = service.store().read(|conn| blacklist::insert(conn, "x", 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}

#[actix_rt::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let service = Service::on_sqlite().await;
    let pragma = service
        .store()
        .write(|conn| {
            #[derive(diesel::QueryableByName)]
            struct Setting {
                #[diesel(sql_type = diesel::sql_types::Integer)]
                synchronous: i32,
            }
            Ok(sql_query("PRAGMA synchronous").get_result::<Setting>(conn)?.synchronous)
        })
        .await
        .unwrap();
    assert_eq!(pragma, 2); // FULL
}
