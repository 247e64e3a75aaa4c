//! The import: batches of lines, each stored in one transaction. Whoever is there already stays as is, so that an
//! import that was interrupted is run again from the beginning.

use std::collections::HashMap;

use super::reader::Entry;
use super::record::Candidate;
use crate::accounts::hashes::Limits;
use crate::clock::Timestamp;
use crate::config::PasswordSettings;
use crate::store::users::{self as table, Known, UserRow};
use crate::store::{Store, StoreError};

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a user now.
    Imported,
    /// It was before, by an earlier import.
    AlreadyThere,
    /// It is not imported.
    Refused {
        /// Whose it is, if that can be said.
        username: Option<String>,
        /// Why.
        problem: String,
    },
}

/// An import under way.
pub struct Import {
    store: Store,
    limits: Limits,
    now: Timestamp,
    is_dry: bool,
    /// Whoever is there, or would be: of this batch, and in a dry run of all before.
    known: Users,
}

#[derive(Default)]
struct Users {
    by_key: HashMap<String, Known>,
    /// The key of each.
    by_id: HashMap<String, String>,
}

/// Before it is known whether the batch can be stored.
enum Judged {
    New(Box<Candidate>),
    Done(Outcome),
}

impl Import {
    /// A dry run stores nothing, and remembers all users that it would have.
    pub fn new(store: &Store, settings: &PasswordSettings, now: Timestamp, is_dry: bool) -> Self {
        let limits = Limits::of_import(settings);
        Self { store: store.clone(), limits, now, is_dry, known: Users::default() }
    }

    /// Stores a batch; what became of each of its lines, in order. After an error nothing of it is stored, or it is not
    /// known what.
    pub async fn store(&mut self, batch: Vec<Entry>) -> Result<Vec<Outcome>, StoreError> {
        let candidates: Vec<_> = batch
            .into_iter()
            .map(|entry| entry.fields.and_then(|fields| fields.read(&self.limits, self.now)))
            .collect();
        self.look_up(&candidates).await?;
        let judged: Vec<_> = candidates.into_iter().map(|candidate| self.known.judge(candidate)).collect();
        if self.is_dry {
            return Ok(judged.into_iter().map(Judged::outcome).collect());
        }
        self.known = Users::default();
        let rows: Vec<_> = judged.iter().filter_map(Judged::row).cloned().collect();
        match self.store.write(move |conn| table::insert_all(conn, &rows)).await {
            Ok(()) => Ok(judged.into_iter().map(Judged::outcome).collect()),
            // Somebody made one of them meanwhile. The others are not lost for that.
            Err(StoreError::Conflict(_)) => self.store_singly(judged).await,
            Err(error) => Err(error),
        }
    }

    async fn look_up(&mut self, candidates: &[Result<Candidate, String>]) -> Result<(), StoreError> {
        let rows = || candidates.iter().flatten().map(|candidate| &candidate.row);
        let keys: Vec<_> = rows().map(|row| row.username_key.clone()).collect();
        let ids: Vec<_> = rows().map(|row| row.id.clone()).collect();
        let found = self.store.read(move |conn| table::find_any(conn, &keys, &ids)).await?;
        for known in found {
            self.known.add(known);
        }
        Ok(())
    }

    async fn store_singly(&self, judged: Vec<Judged>) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(judged.len());
        for one in judged {
            outcomes.push(match one {
                Judged::New(candidate) => self.store_one(*candidate).await?,
                Judged::Done(outcome) => outcome,
            });
        }
        Ok(outcomes)
    }

    async fn store_one(&self, candidate: Candidate) -> Result<Outcome, StoreError> {
        let row = candidate.row.clone();
        match self.store.write(move |conn| table::insert(conn, &row)).await {
            Ok(()) => Ok(Outcome::Imported),
            Err(StoreError::Conflict(_)) => {
                let mut known = Users::default();
                let (keys, ids) = ([candidate.row.username_key.clone()], [candidate.row.id.clone()]);
                let found = self.store.read(move |conn| table::find_any(conn, &keys, &ids)).await?;
                for user in found {
                    known.add(user);
                }
                let name = candidate.row.username.clone();
                // Not there any more: then there was another.
                Ok(match known.judge(Ok(candidate)) {
                    Judged::New(_) => taken(name),
                    Judged::Done(outcome) => outcome,
                })
            }
            Err(error) => Err(error),
        }
    }
}

impl Users {
    fn add(&mut self, known: Known) {
        self.by_id.insert(known.id.clone(), known.username_key.clone());
        self.by_key.insert(known.username_key.clone(), known);
    }

    fn judge(&mut self, candidate: Result<Candidate, String>) -> Judged {
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(problem) => return Judged::Done(Outcome::Refused { username: None, problem }),
        };
        if let Some(known) = self.by_key.get(&candidate.row.username_key) {
            let is_same = candidate.is(known);
            let outcome = if is_same { Outcome::AlreadyThere } else { taken(candidate.row.username) };
            return Judged::Done(outcome);
        }
        if self.by_id.contains_key(&candidate.row.id) {
            let problem = "there is a user with this id already, who has another name".to_owned();
            return Judged::Done(Outcome::Refused { username: Some(candidate.row.username), problem });
        }
        self.add(candidate.row.known());
        Judged::New(Box::new(candidate))
    }
}

impl Candidate {
    /// Whether an earlier import made the user of this name from the same line. The hash may have been upgraded since.
    fn is(&self, known: &Known) -> bool {
        self.row.password_hash == known.password_hash
            || (self.has_id && self.row.id == known.id)
            || (self.has_created_at && self.row.created_at == known.created_at)
    }
}

impl Judged {
    fn row(&self) -> Option<&UserRow> {
        match self {
            Self::New(candidate) => Some(&candidate.row),
            Self::Done(_) => None,
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::New(_) => Outcome::Imported,
            Self::Done(outcome) => outcome,
        }
    }
}

fn taken(username: String) -> Outcome {
    Outcome::Refused {
        username: Some(username),
        problem: "there is another user of this name already".to_owned(),
    }
}
