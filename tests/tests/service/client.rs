//! A client of the service that reads JSON and XML by other programs than the service writes them with.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, StatusCode};

pub use crate::relay_person::{Running, START, running, running_with};

pub const FORMATS: [Format; 2] = [Format::Json, Format::Xml];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Xml,
}

impl Format {
    pub fn accept(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

pub type Fields = BTreeMap<String, String>;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    pub format: Format,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The answer as one value.
    pub fn value(&self) -> String {
        match self.format {
            Format::Json => {
                let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
                shown(&value)
            }
            Format::Xml => {
                let document = roxmltree::Document::parse(&self.body).unwrap();
                let root = document.root_element();
                assert_eq!(root.tag_name().name(), "response");
                root.text().unwrap_or_default().to_owned()
            }
        }
    }

    /// The answer as one thing with fields.
    pub fn fields(&self) -> Fields {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        match self.format {
            Format::Json => object(&serde_json::from_str(&self.body).unwrap()),
            Format::Xml => {
                let document = roxmltree::Document::parse(&self.body).unwrap();
                element(document.root_element())
            }
        }
    }

    /// The answer as a list of things.
    pub fn list(&self) -> Vec<Fields> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        match self.format {
            Format::Json => {
                let list: Vec<serde_json::Value> = serde_json::from_str(&self.body).unwrap();
                list.iter().map(object).collect()
            }
            Format::Xml => {
                let document = roxmltree::Document::parse(&self.body).unwrap();
                let root = document.root_element();
                root.children().map(element).collect()
            }
        }
    }

    /// A refusal with this status; its sentence.
    pub fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        let media = match self.format {
            Format::Json => "application/json; charset=utf-8",
            Format::Xml => "text/xml; charset=utf-8",
        };
        assert_eq!(self.header("content-type"), media);
        assert_eq!(self.header("access-control-allow-origin"), "*");
        let sentence = self.value();
        assert!(
            sentence.ends_with('.') && sentence.contains(' '),
            "{sentence}"
        );
        sentence
    }
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn object(value: &serde_json::Value) -> Fields {
    let members = value.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect()
}

fn element(node: roxmltree::Node<'_, '_>) -> Fields {
    node.children()
        .map(|child| {
            let text = child.text().unwrap_or_default();
            (child.tag_name().name().to_owned(), text.to_owned())
        })
        .collect()
}

/// Somebody who speaks to the service in one format.
pub struct Caller {
    pub http: Client,
    pub address: SocketAddr,
    pub format: Format,
}

impl Caller {
    pub fn new(running: &Running, format: Format) -> Self {
        Self {
            http: Client::new(),
            address: running.address,
            format,
        }
    }

    pub fn ask(&self, method: Method) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}/Service", self.address))
            .header("accept", self.format.accept())
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer {
            status,
            headers,
            body: response.text().await.unwrap(),
            format: self.format,
        }
    }

    pub async fn post(&self, form: &[(&str, &str)]) -> Answer {
        self.send(self.ask(Method::POST).form(form)).await
    }

    pub async fn put(&self, form: &[(&str, &str)]) -> Answer {
        self.send(self.ask(Method::PUT).form(form)).await
    }

    pub async fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.with_headers(Method::GET, headers).await
    }

    pub async fn delete(&self, headers: &[(&str, &str)]) -> Answer {
        self.with_headers(Method::DELETE, headers).await
    }

    pub async fn with_headers(&self, method: Method, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.ask(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// An offline key; its token.
    pub async fn upload(&self, hash: &str, terms: &[(&str, &str)]) -> String {
        let form = [&[("publickey", "opaque"), ("privatekeyhash", hash)], terms].concat();
        self.post(&form).await.fields()["KeyToken"].clone()
    }

    /// An online key; its token.
    pub async fn make(&self, passphrase: &str, terms: &[(&str, &str)]) -> String {
        let form = [&[("passphrase", passphrase)], terms].concat();
        self.post(&form).await.fields()["KeyToken"].clone()
    }
}
