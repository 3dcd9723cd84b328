//! The key service from a page on another origin, in Debian's Chromium, with jQuery as its page
//! showed it: all eight operations, in JSON and in XML.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod relay_person;

use std::net::SocketAddr;
use std::process::Stdio;

use relay_person::running;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const PAGE: &str = include_str!("service_browser/page.html");

#[tokio::test]
async fn a_page_on_another_origin_uses_every_operation() {
    let relay = running().await;
    let site = serve_page().await;
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--allowed-ips="])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("chromedriver is installed (tools/setup.sh test)");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("chromedriver says its port");
        if let Some((_, port)) = line.split_once("successfully on port ") {
            break port.trim_end_matches('.').to_owned();
        }
    };
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    let browser = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
        .await
        .unwrap();
    browser.goto(format!("http://{site}/")).await.unwrap();
    let service = format!("http://{}/Service", relay.address);
    for format in ["json", "xml"] {
        let script = "const done = arguments[2]; everything(arguments[0], arguments[1])\
            .then(done, (error) => done({ failed: String(error) }));";
        let result = browser
            .execute_async(script, vec![json!(service), json!(format)])
            .await
            .unwrap();
        let seen: Value = result.convert().unwrap();
        let wanted = json!({
            "online": { "none": 304, "sent": "true", "texts": ["Hello <&> ü \u{1f30a}", "zip"],
                "file": "a file of the page", "wrong": 400, "deleted": "Deleted.", "after": 404 },
            "offline": { "none": 304, "sent": "true", "texts": ["c2VhbGVk"], "key": "a2V5",
                "wrong": 400, "deleted": "Deleted.", "after": 404 },
        });
        assert_eq!(seen, wanted, "{format}");
    }
    browser.quit().await.unwrap();
}

/// The page and jQuery, on a port of their own: another origin.
async fn serve_page() -> SocketAddr {
    let jquery = waxwing_tests::desk::root().join("ui/node_modules/jquery/dist/jquery.min.js");
    let jquery = std::fs::read_to_string(jquery).expect("npm has installed jQuery");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, jquery.clone()));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, jquery: String) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.unwrap_or(0);
    let (kind, body) = if head[..read].starts_with(b"GET /jquery.js") {
        ("text/javascript", jquery.as_str())
    } else {
        ("text/html; charset=utf-8", PAGE)
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The browser may open a connection and not use it.
    let _ = stream.write_all(answer.as_bytes()).await;
}
