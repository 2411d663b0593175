//! `fleetward serve`: the server, until it is told to stop.

mod demo;
mod stop;

use std::net::TcpListener;

use clap::Args;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::app::{self, App};
use crate::config::Config;
use crate::telemetry::{self, Messages};
use demo::Demo;

/// Run the server (also what fleetward does without a command)
#[derive(Debug, Default, PartialEq, Args)]
pub(super) struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// token, or open: anybody may connect as any device [default: token]
    #[arg(long, value_name = "MODE")]
    device_auth: Option<String>,
    /// Under which URL people and devices reach the server [default: http://LISTEN]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Add N simulated devices, two modules and a newer package of each, to try it at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    demo: Option<u32>,
}

/// A demonstration is to be seen, not waited for.
const DEMO_HEALTH_WINDOW_S: u32 = 5;

impl Serve {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let config = self.config(context)?;
        let messages = telemetry::start(config.log_format, context.environment()).map_err(CliError::Usage)?;
        app::raise_open_files();
        let listener =
            TcpListener::bind(config.listen).map_err(CliError::doing(format!("listen on {}", config.listen)))?;
        let served =
            actix_web::rt::System::new().block_on(serve(config, listener, self.demo, context.output(), &messages));
        messages.end();
        served
    }

    fn config(&self, context: &Context) -> Result<Config, CliError> {
        let flags = [
            ("listen", self.listen.clone()),
            ("device_auth", self.device_auth.clone()),
            ("public_url", self.public_url.clone()),
        ];
        let mut config = context.config(&flags)?;
        if self.demo.is_some() && config.health_window_s == Config::default().health_window_s {
            config.health_window_s = DEMO_HEALTH_WINDOW_S;
        }
        Ok(config)
    }
}

async fn serve(
    config: Config,
    listener: TcpListener,
    demo: Option<u32>,
    out: Output,
    messages: &Messages,
) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(error.to_string());
    // From here on a signal ends what was begun, in order.
    let stop = stop::asked(messages)?;
    let app = App::build(config.clone(), listener).await.map_err(|error| failed(&error))?;
    let url = config.base_url(app.local_addr());
    out.line(format!("Fleetward listens on {}", app.local_addr()))?;
    match app.setup_link() {
        Some(link) => out.line(format!("Open this once to make the first admin: {link}"))?,
        None => out.line(format!("Open {url} and sign in"))?,
    }
    let demo = match demo {
        Some(count) => Some(Demo::start(&config, &app, count).await?),
        None => None,
    };
    if let Some(demo) = &demo {
        out.line(demo.told())?;
    }
    app.run(stop).await.map_err(|error| failed(&error))?;
    if let Some(demo) = demo {
        demo.stop().await?;
    }
    out.line("Fleetward has stopped")
}
