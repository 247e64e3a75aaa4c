//! `application/x-www-form-urlencoded`, strictly: UTF-8 only, and no parameter twice (RFC 6749 section 3.2). The usual
//! parsers replace broken bytes, which would make different passwords the same. Pages may send the same as JSON.

use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::OAuthError;

/// The one parameter that may come several times (RFC 8707 section 2).
const REPEATABLE: &str = "resource";

/// More are nonsense, and looking for repeated ones takes time.
const MAX_PARAMETERS: usize = 64;

/// A request's parameters. Not `Debug`: it holds passwords.
#[derive(Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            form.add(name, value)?;
        }
        Ok(form)
    }

    /// Reads a JSON object of texts; a parameter that may come several times may be a list of them.
    pub fn parse_json(body: &[u8]) -> Result<Self, OAuthError> {
        let fault = || OAuthError::InvalidRequest("the body must be a JSON object of texts".to_owned());
        let Members(members) = serde_json::from_slice(body).map_err(|_| fault())?;
        let mut form = Self::default();
        for (name, value) in members {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                let Value::String(value) = value else { return Err(fault()) };
                form.add(name.clone(), value)?;
            }
        }
        Ok(form)
    }

    /// A form of our own.
    pub(super) fn of(parameters: Vec<(&str, String)>) -> Self {
        Self(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn add(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if name != REPEATABLE && self.0.iter().any(|(known, _)| *known == name) {
            return Err(OAuthError::InvalidRequest("a parameter is given twice".to_owned()));
        }
        if self.0.len() == MAX_PARAMETERS {
            let problem = format!("there are more than {MAX_PARAMETERS} parameters");
            return Err(OAuthError::InvalidRequest(problem));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// A parameter's value; an empty one counts as omitted (RFC 6749 section 3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// A parameter that must be there.
    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::InvalidRequest(format!("the parameter {name} is missing")))
    }

    /// Every value of a parameter that may come several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// The members of a JSON object, repeated ones, too: the usual maps keep one of them.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, Value)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

/// Decodes one name or value of a form: `+` is a space, `%41` is an `A`.
fn decode(text: &[u8]) -> Result<String, OAuthError> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = percent_decode(&spaced).decode_utf8();
    let fault = |_| OAuthError::InvalidRequest("the form is not UTF-8".to_owned());
    decoded.map(std::borrow::Cow::into_owned).map_err(fault)
}

/// As [`decode`], for a text that need not be encoded at all.
pub(super) fn decode_text(text: &str) -> Option<String> {
    decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_parameter_given_twice_is_refused_but_for_resource() {
        assert!(Form::parse(b"a=1&a=2").is_err());
        assert!(Form::parse(b"a=1&%61=2").is_err());
        let form = Form::parse(b"resource=x&resource=y&a=").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.get("a"), None);
    }

    #[test]
    fn a_member_of_json_given_twice_is_refused_but_for_resource() {
        assert!(Form::parse_json(br#"{"a":"1","a":"2"}"#).is_err());
        assert!(Form::parse_json(br#"{"a":"1","\u0061":"2"}"#).is_err());
        let form = Form::parse_json(br#"{"resource":"x","resource":["y"],"a":""}"#).unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert!(Form::parse_json(b"[]").is_err() && Form::parse_json(br#"{"a":1}"#).is_err());
    }

    #[test]
    fn broken_utf_8_is_refused() {
        assert!(Form::parse(b"password=%ff").is_err());
        assert!(Form::parse(b"password=\xff").is_err());
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_is_read_back(value in "\\PC{1,40}") {
            let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("v", &value).finish();
            let form = Form::parse(body.as_bytes()).unwrap();
            prop_assert_eq!(form.get("v"), Some(value.as_str()));
        }

        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = Form::parse(&body);
        }
    }
}
