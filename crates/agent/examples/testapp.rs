//! A small web service with bad habits on demand: what demos and tests deploy. One static file, so that its image is
//! empty but for it.
//!
//! ```text
//! testapp serve [--port 80] [--text v1] [--boot-ms N] [--crash-after-ms N] [--exit-code N] [--ignore-term]
//!               [--die-at-once] [--sick] [--mute] [--fail-percent N] [--slow-ms N] [--hog-mb N] [--beat FILE]
//! testapp health [--port 80]        ends with 0 if the service answers /health with 200
//! testapp get ADDRESS:PORT PATH     prints what a GET is answered with, or why it isn't
//! testapp sleep [--ignore-term]     runs until it is stopped
//! testapp exit CODE [--after-ms N]  ends with CODE
//! testapp echo                      copies its input to its output
//! ```
//!
//! Every option can also be given by the environment (`TESTAPP_TEXT`, `TESTAPP_BOOT_MS` …).
//!
//! Every answer but a 101 carries `Run: N`, another number after each start of the process. It answers
//!
//! - `GET /`: text and host name, and `VERSION` from the environment if it is set, one to a line
//! - `GET /metrics`: a number for Prometheus
//! - `GET /health`: 200, or 503 after `GET /sick` until `GET /well`
//! - `GET /slow?ms=N`: what `/` answers, after N milliseconds
//! - `GET /env`: the environment; `GET /echo`: the head of the request as it came
//! - `GET /crash?code=N`: ends at once
//! - `POST /order?id=N&tell=ADDRESS:PORT`: sends the number there by UDP, then answers; for tests that count how often a
//!   request arrives
//! - `GET /converse`: 101, then every byte that comes, back
//! - `GET /read?path=…`: a file; `PUT /write?path=…`: replaces it by the body; for tests of volumes
//!
//! For releases that are no good: `--sick` begins sick, `--mute` breaks every connection but `/health`'s without an answer,
//! `--fail-percent` answers so many of 100 requests to `/` with 500, `--slow-ms` waits before each answer there, and
//! `--hog-mb` takes so much memory a second after it began.
//!
//! `--beat` appends a line to a file every 20 ms from its first moment to its last, for tests of what must never run twice: the number of
//! `Run`, the seconds since the machine was started, and its host name. In a file that several append to, the order of lines is
//! the order in which they were written.
//!
//! SIGTERM: it takes no more connections, finishes what it is answering, and ends with 0. With `--ignore-term` it
//! goes on until SIGKILL; with `--die-at-once` it finishes nothing, as most programs don't.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program; its log is what tests read

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{ExitCode, exit};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Set while the service reports itself unhealthy.
static SICK: AtomicBool = AtomicBool::new(false);
/// Set once it was asked to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Requests being answered.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);
/// Tells this process from every other, also of the same container: nanoseconds between 1970 and when it was told first.
static RUN: LazyLock<u128> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());

/// Requests for `/` so far.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// How long a silent client is listened to.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two lines of one that says that it runs.
const BEAT: Duration = Duration::from_millis(20);
/// How long requests may take to finish once it was asked to end.
const FAREWELL: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let options = Options(std::env::args().skip(1).collect());
    obey_signals(options.flag("--ignore-term"), options.flag("--die-at-once"));
    match options.0.first().map(String::as_str) {
        Some("serve") => serve(&options),
        Some("health") => health(&options),
        Some("get") => get(&options),
        Some("sleep") => {
            println!("sleeping");
            loop {
                thread::park();
            }
        }
        Some("exit") => {
            thread::sleep(options.ms("--after-ms").unwrap_or_default());
            let code = options.0.get(1).and_then(|code| code.parse().ok()).unwrap_or(0);
            println!("ending with {code}");
            ExitCode::from(code)
        }
        Some("echo") => match std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()) {
            Ok(_) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Some(_) | None => {
            eprintln!("testapp serve|health|get|sleep|exit CODE|echo; see the top of its source");
            ExitCode::from(2)
        }
    }
}

/// The command line.
struct Options(Vec<String>);

impl Options {
    fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name) || from_environment(name).is_some()
    }

    fn value(&self, name: &str) -> Option<String> {
        let mut arguments = self.0.iter().skip_while(|argument| *argument != name);
        arguments.nth(1).cloned().or_else(|| from_environment(name))
    }

    fn ms(&self, name: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.value(name)?.parse().ok()?))
    }

    fn port(&self) -> u16 {
        self.value("--port").and_then(|port| port.parse().ok()).unwrap_or(80)
    }
}

fn from_environment(name: &str) -> Option<String> {
    let name = name.trim_start_matches('-').replace('-', "_").to_uppercase();
    std::env::var(format!("TESTAPP_{name}")).ok()
}

/// The first process of a container ends by no signal that it has not asked for.
fn obey_signals(ignore: bool, die_at_once: bool) {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
            while terminate.recv().await.is_some() {
                if ignore {
                    println!("asked to end, and not inclined to");
                    continue;
                }
                if die_at_once {
                    exit(0);
                }
                end();
            }
        });
    });
}

/// Finish what is being answered, then end.
fn end() {
    ENDING.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + FAREWELL;
    while IN_FLIGHT.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    println!("ending");
    exit(0)
}

/// Say in a file that it runs, until it does not.
fn beat(path: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    loop {
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let seconds = uptime.split_whitespace().next().unwrap_or_default();
        // One write each, so that no line is broken by another's.
        file.write_all(format!("{} {seconds} {}\n", *RUN, name.trim()).as_bytes())?;
        thread::sleep(BEAT);
    }
}

fn serve(options: &Options) -> ExitCode {
    if let Some(path) = options.value("--beat") {
        // Whoever writes alone must not go on where that can't be seen.
        thread::spawn(move || {
            if let Err(error) = beat(&path) {
                eprintln!("can't write to {path}: {error}");
                exit(3)
            }
        });
    }
    if let Some(life) = options.ms("--crash-after-ms") {
        let code = options.value("--exit-code").and_then(|code| code.parse().ok()).unwrap_or(1);
        thread::spawn(move || {
            thread::sleep(life);
            println!("crashing with {code}");
            exit(code)
        });
    }
    thread::sleep(options.ms("--boot-ms").unwrap_or_default());
    let port = options.port();
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("can't listen on port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = options.value("--text").unwrap_or_else(|| "testapp".to_owned());
    SICK.store(options.flag("--sick"), Ordering::SeqCst);
    let habits = Habits::of(options);
    if let Some(mb) = options.value("--hog-mb").and_then(|mb| mb.parse::<usize>().ok()) {
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            // Not zeroes: the kernel gives those away for nothing.
            let hog = vec![1_u8; mb << 20];
            println!("holding {} MB", hog.len() >> 20);
            loop {
                thread::park();
            }
        });
    }
    println!("{text} serves on port {port}");
    for stream in listener.incoming().filter_map(Result::ok) {
        if ENDING.load(Ordering::SeqCst) {
            break;
        }
        let text = text.clone();
        thread::spawn(move || {
            // A client that breaks off is its own affair.
            let _ = converse(&stream, &text, habits);
        });
    }
    loop {
        thread::park(); // until the last answer is out
    }
}

/// Ask the service next door, as a HEALTHCHECK does.
fn health(options: &Options) -> ExitCode {
    let asked = TcpStream::connect(("127.0.0.1", options.port())).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    match asked {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(answer) => {
            println!("{}", answer.lines().next().unwrap_or("no answer"));
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn get(options: &Options) -> ExitCode {
    let (address, path) = (options.0.get(1), options.0.get(2));
    let (Some(address), Some(path)) = (address, path) else { return ExitCode::from(2) };
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    });
    match asked {
        Ok(answer) => {
            let head =
                answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
            let _ = std::io::stdout().write_all(&answer[head..]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A request.
struct Request {
    /// Its first line and headers.
    head: String,
    body: Vec<u8>,
}

/// How it treats requests for `/`.
#[derive(Clone, Copy)]
struct Habits {
    mute: bool,
    fail_percent: usize,
    slow: Duration,
}

impl Habits {
    fn of(options: &Options) -> Self {
        let percent = options.value("--fail-percent").and_then(|percent| percent.parse().ok());
        Self {
            mute: options.flag("--mute"),
            fail_percent: percent.unwrap_or_default(),
            slow: options.ms("--slow-ms").unwrap_or_default(),
        }
    }

    /// Whether the next request is to fail: evenly, not by chance, so that a share is one.
    fn fails(self) -> bool {
        ASKED.fetch_add(1, Ordering::SeqCst) * 37 % 100 < self.fail_percent
    }
}

/// Answer the requests of one connection.
fn converse(stream: &TcpStream, text: &str, habits: Habits) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        if request.path() == "/converse" {
            return echo(stream, &mut reader);
        }
        IN_FLIGHT.fetch_add(1, Ordering::SeqCst);
        let is_plain = request.path() == "/";
        if is_plain && habits.mute {
            IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
            return Ok(());
        }
        if is_plain {
            thread::sleep(habits.slow);
        }
        let (status, body) = if is_plain && habits.fails() {
            ("500 Internal Server Error", b"no luck\n".to_vec())
        } else {
            answer(&request, text)
        };
        let close = ENDING.load(Ordering::SeqCst) || request.header("connection") == Some("close");
        let connection = if close { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nRun: {}\r\nConnection: {connection}\r\n\r\n",
            body.len(),
            *RUN
        );
        let mut out = head.into_bytes();
        out.extend(body);
        let mut writer = stream;
        let written = writer.write_all(&out);
        IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
        written?;
        if close {
            break;
        }
    }
    Ok(())
}

/// The connection is no longer HTTP's: what comes goes back, until its end.
fn echo(mut stream: &TcpStream, reader: &mut impl Read) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    )?;
    let mut piece = [0; 4096];
    loop {
        let length = reader.read(&mut piece)?;
        if length == 0 {
            return stream.shutdown(std::net::Shutdown::Write);
        }
        stream.write_all(&piece[..length])?;
    }
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        if head[before..].trim().is_empty() {
            break;
        }
        if head.len() > 1 << 16 {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let mut request = Request { head, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    reader.take(length.unwrap_or(0)).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    fn path(&self) -> &str {
        let target = self.head.split_whitespace().nth(1).unwrap_or("/");
        target.split('?').next().unwrap_or("/")
    }

    /// A value of the query, as it stands there.
    fn query(&self, name: &str) -> Option<&str> {
        let target = self.head.split_whitespace().nth(1)?;
        let mut pairs =
            target.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }
}

fn answer(request: &Request, text: &str) -> (&'static str, Vec<u8>) {
    const OK: &str = "200 OK";
    match request.path() {
        "/" => (OK, who(text)),
        "/slow" => {
            thread::sleep(Duration::from_millis(request.number("ms").unwrap_or(1_000)));
            (OK, who(text))
        }
        "/metrics" => (OK, format!("testapp_info{{text=\"{text}\"}} 1\n").into_bytes()),
        "/health" if SICK.load(Ordering::SeqCst) => ("503 Service Unavailable", b"sick\n".to_vec()),
        "/health" => (OK, b"well\n".to_vec()),
        sick @ ("/sick" | "/well") => {
            SICK.store(sick == "/sick", Ordering::SeqCst);
            (OK, b"noted\n".to_vec())
        }
        "/env" => {
            let lines: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}\n")).collect();
            (OK, lines.concat().into_bytes())
        }
        "/order" => {
            let id = request.query("id").unwrap_or_default().as_bytes();
            let tell = request.query("tell").unwrap_or_default();
            match UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(id, tell)) {
                Ok(_) => (OK, b"taken\n".to_vec()),
                Err(error) => ("500 Internal Server Error", format!("{error}\n").into_bytes()),
            }
        }
        "/echo" => (OK, request.head.clone().into_bytes()),
        "/crash" => {
            let code = request.number("code").and_then(|code| i32::try_from(code).ok());
            println!("crashing on request");
            exit(code.unwrap_or(1))
        }
        "/read" => match std::fs::read(request.query("path").unwrap_or_default()) {
            Ok(bytes) => (OK, bytes),
            Err(error) => ("404 Not Found", format!("{error}\n").into_bytes()),
        },
        "/write" => {
            match std::fs::write(request.query("path").unwrap_or_default(), &request.body) {
                Ok(()) => (OK, b"written\n".to_vec()),
                Err(error) => ("500 Internal Server Error", format!("{error}\n").into_bytes()),
            }
        }
        _ => ("404 Not Found", b"no such page\n".to_vec()),
    }
}

fn who(text: &str) -> Vec<u8> {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let version = std::env::var("VERSION").map(|v| format!("version {v}\n")).unwrap_or_default();
    format!("{text}\n{}\n{version}", hostname.trim()).into_bytes()
}
