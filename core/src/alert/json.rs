//! JSON: an alert as it is on a stream, with its reasons where it has some.

use serde::{Deserialize, Serialize};

use super::Alert;

/// An alert, and what its older form has not.
#[derive(Deserialize)]
struct Received {
    #[serde(flatten)]
    alert: Alert,
    #[serde(default)]
    why: String,
}

/// The same, of a borrowed one.
#[derive(Serialize)]
struct Telling<'a> {
    #[serde(flatten)]
    alert: &'a Alert,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
}

impl Alert {
    /// The alert as a stream has it: a JSON object. Its last key is `why`, where there are reasons; without them it has none.
    pub fn to_json(&self) -> Vec<u8> {
        let telling = Telling { alert: self, why: &self.why };
        serde_json::to_vec(&telling).expect("an alert is text and numbers")
    }

    /// Reads what [`Alert::to_json`] has written.
    ///
    /// # Errors
    /// What is no alert.
    pub fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        let Received { alert, why } = serde_json::from_slice(json)?;
        Ok(Self { why, ..alert })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Alerts;
    use super::*;

    #[test]
    fn only_an_alert_with_reasons_says_why() {
        let mut alerts = Alerts::default();
        alerts.publish("eye", "odd", "swarm/3", 0.1 + 0.2, 2, u64::MAX);
        alerts.publish_why("eye", "odd", "swarm/4", 0.5, 2, 7, "mean \"+9.1\"");
        let said: Vec<Alert> = alerts.take_outbox().collect();
        let json = said[0].to_json();
        assert_eq!(json, serde_json::to_vec(&said[0]).unwrap(), "as readers know it");
        assert!(!String::from_utf8(json).unwrap().contains("why"));
        let json = String::from_utf8(said[1].to_json()).unwrap();
        assert!(json.ends_with(r#""state":"raised","why":"mean \"+9.1\""}"#), "{json}");
        for alert in said {
            // Who said it is not sent.
            assert_eq!(Alert::from_json(&alert.to_json()).unwrap(), Alert { by: String::new(), ..alert });
        }
    }
}
