//! A run as it goes, for people and for machines: metrics, an API and a page over HTTP.
//!
//! ```no_run
//! use corec_live::Server;
//! use corec_run::{CorecPlugin, RunPlan, Stop, run, scenarios};
//! let scenario = scenarios::find("ecosystem", &|_| None)?.scenario;
//! # #[expect(clippy::disallowed_methods)]
//! let plan = RunPlan::new(scenario, std::time::Instant::now());
//! let server = Server::start("127.0.0.1:8000", plan.watch.clone(), None)?;
//! println!("{}", server.url());
//! let mut app = bevy_app::App::new();
//! app.add_plugins(CorecPlugin);
//! run(app, plan, &Stop::default(), &mut |_| {})?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules in reading order: [`told`] is what the API says, [`metrics`] what is scraped, [`frame`] what the page draws, `ready` whether
//! all is well; [`openapi`] describes them, [`server`] serves them, and [`client`] asks for them.
#![forbid(unsafe_code)]

mod process;
pub mod told;

mod ready;

pub mod frame;
pub mod metrics;

pub mod openapi;

pub mod server;

pub mod client;

pub use client::{Client, ClientError};
pub use server::{ServeError, Server};
