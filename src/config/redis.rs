//! Section `redis`: the accelerator shared by several instances. None is needed; with none there is no trace of it.

use secrecy::SecretString;

use super::reader::Reader;

/// Where Redis is, if there is any.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// None: everything is asked of the database.
    pub address: Option<RedisAddress>,
    /// What Sentinels themselves ask for.
    pub sentinel_password: Option<SecretString>,
    /// Begins every key and channel.
    pub key_prefix: String,
}

/// `redis.url`, taken apart.
#[derive(Clone, Debug)]
pub struct RedisAddress {
    /// What answers there.
    pub topology: Topology,
    /// Whether connections are TLS.
    pub tls: bool,
    /// ACL user; none: Redis' `default`.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// Host and port of each node named.
    pub nodes: Vec<(String, u16)>,
    /// Database number; 0 for a cluster.
    pub database: i64,
}

/// How Redis is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels that know where the master of this name is.
    Sentinel(String),
    /// Redis Cluster.
    Cluster,
}

const EXPECTED: &str = "must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// (TLS), \
                        redis-sentinel://…HOST,HOST…?sentinelMasterId=NAME or redis-cluster://…HOST,HOST… \
                        (rediss-sentinel, rediss-cluster: TLS), with what is special percent-encoded";

impl RedisSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        use secrecy::ExposeSecret;
        let address = reader.secret("redis.url").and_then(|url| {
            let address = RedisAddress::parse(url.expose_secret());
            if address.is_none() {
                reader.fault("redis.url", EXPECTED.to_owned());
            }
            address
        });
        Self {
            address,
            sentinel_password: reader.secret("redis.sentinel_password"),
            key_prefix: reader.text("redis.key_prefix").unwrap_or_default(),
        }
    }
}

impl RedisAddress {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
        let (topology, tls) = topology(scheme, query)?;
        let port = if matches!(topology, Topology::Sentinel(_)) { 26379 } else { 6379 };
        let nodes: Vec<_> = hosts.split(',').map(|host| node(host, port)).collect::<Option<_>>()?;
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            None => (None, None),
            Some((name, password)) => {
                let given = |text: &str| decode(text).map(|text| Some(text).filter(|text| !text.is_empty()));
                (given(name)?, given(password)?.map(SecretString::from))
            }
        };
        let database = if database.is_empty() { 0 } else { database.parse::<u16>().ok()?.into() };
        let fits = match topology {
            Topology::Single => nodes.len() == 1,
            Topology::Sentinel(_) => true,
            Topology::Cluster => database == 0,
        };
        fits.then_some(Self { topology, tls, username, password, nodes, database })
    }
}

fn topology(scheme: &str, query: Option<&str>) -> Option<(Topology, bool)> {
    let tls = scheme.starts_with("rediss");
    let topology = match (scheme, query) {
        ("redis" | "rediss", None) => Topology::Single,
        ("redis-cluster" | "rediss-cluster", None) => Topology::Cluster,
        ("redis-sentinel" | "rediss-sentinel", Some(query)) => Topology::Sentinel(
            decode(query.strip_prefix("sentinelMasterId=")?).filter(|name| !name.is_empty())?,
        ),
        _ => return None,
    };
    Some((topology, tls))
}

/// `HOST`, `HOST:PORT` or `[IPV6]:PORT`.
fn node(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    let host = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'))?;
    let is_bare = !host.is_empty() && !host.contains(char::is_whitespace) && port != 0;
    is_bare.then(|| (host.to_owned(), port))
}

/// Percent-decoded.
fn decode(text: &str) -> Option<String> {
    Some(percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_form_of_address_is_taken_apart() {
        let single = RedisAddress::parse("rediss://app:p%40ss@cache.example:7000/3").unwrap();
        assert_eq!((single.topology, single.tls, single.database), (Topology::Single, true, 3));
        assert_eq!(single.nodes, [("cache.example".to_owned(), 7000)]);
        assert_eq!(single.username.as_deref(), Some("app"));
        assert_eq!(single.password.unwrap().expose_secret(), "p@ss");
        let sentinel = RedisAddress::parse("redis-sentinel://:x@a,[::1]:5/0?sentinelMasterId=main").unwrap();
        assert_eq!(sentinel.topology, Topology::Sentinel("main".to_owned()));
        assert_eq!(sentinel.nodes, [("a".to_owned(), 26379), ("::1".to_owned(), 5)]);
        assert_eq!((sentinel.username, sentinel.tls), (None, false));
        let cluster = RedisAddress::parse("redis-cluster://a:1,b:2").unwrap();
        assert_eq!((cluster.topology, cluster.nodes.len()), (Topology::Cluster, 2));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "redis://",
            "http://a",
            "redis://a,b",
            "redis://a/x",
            "redis://a:0",
            "redis://a:99999",
            "redis://a?x=y",
            "redis-sentinel://a",
            "redis-sentinel://a?sentinelMasterId=",
            "redis-cluster://a/1",
            "redis-cluster://a,,b",
            "redis://u:%ff@a",
            "redis://[::1",
        ] {
            assert!(RedisAddress::parse(url).is_none(), "{url}");
        }
    }
}
