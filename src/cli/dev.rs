//! `chancery dev`: the main job with nothing to configure. Writes a settings file into its data folder, makes a demo
//! user and client, prints the lines to try, and serves.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::serve::{Port, serve};
use crate::accounts::password::Password;
use crate::accounts::users::NewUser;
use crate::accounts::{AccountError, Client, ExtraClaims, Grant, Scopes, clients, users};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::telemetry;

/// Serve on loopback with a demo user and client.
#[derive(Debug, Args)]
pub struct Dev {
    /// Listen here; loopback only.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = loopback)]
    bind: SocketAddr,
    /// Keep the database, the master key and the settings file here.
    #[arg(long, value_name = "FOLDER", default_value = "chancery-dev")]
    data_dir: PathBuf,
}

const NAME: &str = "demo";
const PASSWORD: &str = "demo-password";

impl Dev {
    pub(super) async fn run(self, mut sources: Sources, clock: Clock) -> Result<(), Failure> {
        if sources.file.is_some() {
            let hint = "dev has settings of its own: use --data-dir, or serve with --config";
            return Err(Failure::Usage(hint.to_owned()));
        }
        // Nothing of the environment either: it may name a database that no known password should get into.
        sources.environment.clear();
        let port = Port::take(self.bind, "--bind")?;
        let address = port.address()?;
        let file = write_settings(&self.data_dir)?;
        sources.file = Some(file.clone());
        sources.flags.push(("server.bind", address.to_string()));
        sources.flags.push(("server.drain_time", "0s".to_owned())); // nobody waits for Ctrl-C
        sources.flags.push(("issuer.url", format!("http://{address}")));
        let settings = Settings::load(&sources)?;
        telemetry::start(&settings.log);
        let app = App::open(settings, clock).await?;
        make_demo_accounts(&app).await?;
        print_lines(address, &file, app.issuer.settings.browser.client.is_some());
        serve(app, port).await
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("dev has a known password, so it listens on loopback addresses only".to_owned()),
        Err(_) => Err("must be an address and port such as 127.0.0.1:8080".to_owned()),
    }
}

/// Settings with which the other commands work on the same data. An existing file is the developer's own.
fn write_settings(folder: &Path) -> Result<PathBuf, Failure> {
    let fault =
        |cause: std::io::Error| Failure::Failed(format!("{}: {cause}; see --data-dir", folder.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    let folder = folder.canonicalize().map_err(fault)?;
    let file = folder.join("chancery.toml");
    if let Some(mut new) = create_private(&file).map_err(fault)? {
        let text = |value: String| toml::Value::String(value).to_string();
        let settings = format!(
            "# Written by `chancery dev`; yours to change. docs/chancery.toml explains every key.\n\
             [database]\nurl = {}\n\n[keys]\nmaster_key_file = {}\n\n[oauth]\ndefault_client = \"{NAME}\"\n\n\
             [browser]\nclient = \"{NAME}\"\ninsecure_cookies = true # over http\n\n\
             [log]\nfilter = \"warn\"\n",
            text(format!("sqlite://{}", folder.join("chancery.db").display())),
            text(folder.join("master.key").display().to_string()),
        );
        new.write_all(settings.as_bytes()).map_err(fault)?;
    }
    Ok(file)
}

/// A new file for its owner alone; none when there is one.
fn create_private(path: &Path) -> std::io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        created => created.map(Some),
    }
}

async fn make_demo_accounts(app: &App) -> Result<(), Failure> {
    let issuer = &app.issuer;
    let now = issuer.clock.now();
    let mut client = Client::new(NAME.to_owned(), now);
    client.grants = vec![Grant::Password, Grant::RefreshToken];
    client.scopes = Scopes::parse("read write").map_err(Failure::Failed)?;
    kept(clients::create(&issuer.store, &client, now).await)?;
    let password = Password::parse(PASSWORD).map_err(Failure::Failed)?;
    let user = NewUser {
        username: NAME.to_owned(),
        email: Some("demo@example.com".to_owned()),
        password_hash: issuer.passwords.hash(password).await?,
        scopes: None,
        claims: ExtraClaims::default(),
    };
    kept(users::create(&issuer.store, user, now).await.map(drop))
}

/// What is there from last time stays.
fn kept(created: Result<(), AccountError>) -> Result<(), Failure> {
    match created {
        Err(AccountError::Taken(_)) => Ok(()),
        other => Ok(other?),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn print_lines(address: SocketAddr, file: &Path, has_page: bool) {
    let url = format!("http://{address}");
    // A settings file of an earlier release has none.
    let page = if has_page { format!("Its account page is {url}/account/.\n") } else { String::new() };
    let field = |name: &str| format!(r#"sed 's/.*"{name}":"\([^"]*\)".*/\1/'"#);
    let (access, refresh) = (field("access_token"), field("refresh_token"));
    let program = std::env::current_exe().map_or_else(|_| "chancery".to_owned(), |path| quoted(&path));
    let file = quoted(file);
    println!(
        r#"Chancery listens on {url} with the user {NAME} (password {PASSWORD}) and the public client {NAME}.
{page}Paste these into another terminal, in this order:

# 1. Log in: an access token and a refresh token.
TOKENS=$(curl -s {url}/token -d client_id={NAME} -d username={NAME} -d password={PASSWORD}); echo "$TOKENS"
ACCESS=$(echo "$TOKENS" | {access})
REFRESH=$(echo "$TOKENS" | {refresh})

# 2. Who is that?
curl -s {url}/userinfo -H "Authorization: Bearer $ACCESS"; echo

# 3. Refresh: new tokens; the old refresh token is spent.
NEW=$(curl -s {url}/token -d grant_type=refresh_token -d client_id={NAME} -d refresh_token=$REFRESH); echo "$NEW"

# 4. The public keys, by which anybody verifies tokens offline.
curl -s {url}/.well-known/jwks.json; echo

# 5. Verify offline, here in Python. Needs PyJWT: pip install 'pyjwt[crypto]', in a virtual environment if you like.
python3 -c 'import sys, jwt
key = jwt.PyJWKClient(sys.argv[1] + "/.well-known/jwks.json").get_signing_key_from_jwt(sys.argv[2])
print(jwt.decode(sys.argv[2], key, algorithms=[key.algorithm_name], audience=sys.argv[1], issuer=sys.argv[1]))' {url} "$ACCESS"

# 6. Show the spent refresh token again: refused, and the session is closed with all its tokens.
curl -s {url}/token -d grant_type=refresh_token -d client_id={NAME} -d refresh_token=$REFRESH; echo

# 7. Log in again, and log out.
REFRESH=$(curl -s {url}/token -d client_id={NAME} -d username={NAME} -d password={PASSWORD} | {refresh})
curl -s {url}/revoke -d client_id={NAME} -d token=$REFRESH; echo

The other commands work on this data with its settings file:
{program} --config {file} keys list
"#
    );
}
