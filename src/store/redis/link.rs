//! How Redis is reached: one server, the master that Sentinels name, or a cluster. A link is one multiplexed connection
//! (one to each node of a cluster), which all requests share: taking it costs no round trip.

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::sentinel::{SentinelClient, SentinelServerType};
use deadpool_redis::redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo,
    RedisError,
};
use deadpool_redis::sentinel::{SentinelNodeConnectionInfo, TlsMode};
use deadpool_redis::{PoolError, cluster, sentinel};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{RedisAddress, Topology};

/// A link; clones of what is within share it.
pub(super) enum Link {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// One round trip.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::Node(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }
}

/// Where links come from. Each is taken out of its pool for good: a pool asks a connection whether it lives whenever it
/// hands it out, which would double the round trips.
pub(super) struct Source {
    nodes: Vec<ConnectionInfo>,
    pool: Result<Pool, RedisError>,
    master: Option<(String, SentinelNodeConnectionInfo)>,
}

enum Pool {
    Single(deadpool_redis::Pool),
    Sentinel(sentinel::Pool),
    Cluster(cluster::Pool),
}

impl Source {
    pub(super) fn new(address: &RedisAddress, sentinel_password: Option<&SecretString>) -> Self {
        let master = match &address.topology {
            Topology::Sentinel(name) => Some((name.clone(), behind_sentinels(address))),
            Topology::Single | Topology::Cluster => None,
        };
        let nodes = nodes(address, sentinel_password);
        let pool = nodes.as_ref().map_err(Clone::clone).and_then(|nodes| pool(nodes, master.as_ref()));
        Self { nodes: nodes.unwrap_or_default(), pool, master }
    }

    /// A new link.
    pub(super) async fn connect(&self) -> Result<Link, RedisError> {
        match self.pool.as_ref().map_err(Clone::clone)? {
            Pool::Single(pool) => pool.get().await.map(deadpool_redis::Connection::take).map(Link::Node),
            Pool::Sentinel(pool) => pool.get().await.map(sentinel::Connection::take).map(Link::Node),
            Pool::Cluster(pool) => pool.get().await.map(cluster::Connection::take).map(Link::Cluster),
        }
        .map_err(cause)
    }

    /// A connection that can subscribe. In a cluster every node hears of what is published at any.
    pub(super) async fn subscriber(&self) -> Result<PubSub, RedisError> {
        if let Some((name, node)) = &self.master {
            let (name, node) = (name.clone(), Some(node.clone().into()));
            let mut sentinels =
                SentinelClient::build(self.nodes.clone(), name, node, SentinelServerType::Master)?;
            return sentinels.async_get_client().await?.get_async_pubsub().await;
        }
        let mut failure = self.pool.as_ref().err().cloned();
        for node in &self.nodes {
            match Client::open(node.clone())?.get_async_pubsub().await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound).into()))
    }
}

fn pool(
    nodes: &[ConnectionInfo],
    master: Option<&(String, SentinelNodeConnectionInfo)>,
) -> Result<Pool, RedisError> {
    let unbuildable = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    Ok(match (nodes, master) {
        (nodes, Some((name, node))) => {
            let server = sentinel::SentinelServerType::Master;
            let manager = sentinel::Manager::new(nodes.to_vec(), name.clone(), Some(node.clone()), server)?;
            Pool::Sentinel(sentinel::Pool::builder(manager).build().map_err(|error| unbuildable(&error))?)
        }
        ([node], None) => {
            let manager = deadpool_redis::Manager::new(node.clone())?;
            let pool = deadpool_redis::Pool::builder(manager).build();
            Pool::Single(pool.map_err(|error| unbuildable(&error))?)
        }
        (nodes, None) => {
            let manager = cluster::Manager::new(nodes.to_vec(), false)?;
            Pool::Cluster(cluster::Pool::builder(manager).build().map_err(|error| unbuildable(&error))?)
        }
    })
}

/// The nodes that are named in the settings: of Sentinels, these and not the servers behind them.
fn nodes(
    address: &RedisAddress,
    sentinel_password: Option<&SecretString>,
) -> Result<Vec<ConnectionInfo>, RedisError> {
    let behind_sentinels = matches!(address.topology, Topology::Sentinel(_));
    let mut login = RedisConnectionInfo::default();
    if behind_sentinels {
        if let Some(password) = sentinel_password {
            login = login.set_password(password.expose_secret());
        }
    } else {
        login = RedisConnectionInfo::from(login_of(address));
    }
    let node = |(host, port): &(String, u16)| {
        let (host, port) = (host.clone(), *port);
        let address = if address.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        Ok(address.into_connection_info()?.set_redis_settings(login.clone()))
    };
    address.nodes.iter().map(node).collect()
}

fn login_of(address: &RedisAddress) -> deadpool_redis::RedisConnectionInfo {
    deadpool_redis::RedisConnectionInfo {
        db: address.database,
        username: address.username.clone(),
        password: address.password.as_ref().map(|password| password.expose_secret().to_owned()),
        ..Default::default()
    }
}

fn behind_sentinels(address: &RedisAddress) -> SentinelNodeConnectionInfo {
    SentinelNodeConnectionInfo {
        tls_mode: address.tls.then_some(TlsMode::Secure),
        redis_connection_info: Some(login_of(address)),
    }
}

fn cause(error: PoolError) -> RedisError {
    match error {
        PoolError::Backend(error) => error,
        other => std::io::Error::other(other.to_string()).into(),
    }
}
