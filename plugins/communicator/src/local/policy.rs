//! The policy decides what to do about a question, learned by Q-learning from what happened after earlier ones.
//!
//! Source: C. Watkins, P. Dayan, "Q-learning", Machine Learning 8, 1992. After action a in state s, with reward r and
//! next state s': `Q(s,a) += alpha * (r + gamma * max Q(s',.) - Q(s,a))`. The next state is that of the next question,
//! so an action is judged when the next question comes.

use std::collections::BTreeMap;

use corec::prelude::{JsonSchema, schemars};
use serde::{Deserialize, Serialize};

use super::intent::Intent;

const ACTIONS: usize = Action::ALL.len();

/// A change of mean fitness this large earns the whole reward. Judgement: a third of the way from the guide's poor (0.2)
/// to its good (0.5).
const FITNESS_CHANGE_FULL: f64 = 0.1;

/// What to do about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say what is asked. Spanish: responder.
    Answer,
    /// Also look into what is worst. Spanish: analizar.
    Analyse,
    /// Also recommend a change. Spanish: optimizar.
    Optimise,
}

impl Action {
    /// Every action, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Answer, Self::Analyse, Self::Optimise];
}

/// How well a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Fitness of 0.5 or more (or none known) and no anomalous block.
    Good,
    /// Something is below that.
    Degraded,
    /// Fitness below 0.2.
    Bad,
}

impl Condition {
    /// The condition of a run by its mean fitness and its anomalous blocks.
    ///
    /// 0.2 and 0.5 are the guide's: below 0.2 a block is fused with one above 0.5.
    pub fn of(fitness: Option<f64>, anomalous: usize) -> Self {
        match fitness {
            Some(fitness) if fitness < 0.2 => Self::Bad,
            Some(fitness) if fitness < 0.5 => Self::Degraded,
            _ if anomalous > 0 => Self::Degraded,
            _ => Self::Good,
        }
    }
}

/// What the policy sees of a question: 5 intents, 4 ranges of the value and 3 conditions make 60 states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Situation {
    /// What the question is about.
    pub intent: Intent,
    /// How much it matters, 0 to 1; the state holds its quarter.
    pub value: f64,
    /// How well the run is.
    pub condition: Condition,
    /// The run's mean fitness, where it has one: the reward is its change.
    pub fitness: Option<f64>,
}

impl Situation {
    fn state(&self) -> u8 {
        // Casting saturates, and NaN is 0.
        let quarter = ((self.value * 4.0) as u8).min(3);
        (self.intent as u8 * 4 + quarter) * 3 + self.condition as u8
    }
}

/// How the policy learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Part of what is new in an update, 0 to 1. Default 0.2: an action is known after about ten questions.
    pub alpha: f64,
    /// Weight of what comes after the next question, 0 to below 1. Default 0.5: questions depend little on each other.
    pub gamma: f64,
    /// Part of the questions whose action is drawn instead of chosen, 0 to 1. Default 0.1.
    pub epsilon: f64,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { alpha: 0.2, gamma: 0.5, epsilon: 0.1 }
    }
}

impl PolicySettings {
    /// Checks every number against its range.
    ///
    /// # Errors
    /// Says which, what was found and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |key: &str, found: f64, allowed: &str| {
            Err(format!("policy.{key}: found {found}, must be within {allowed}"))
        };
        match *self {
            Self { alpha, .. } if !(0.0..=1.0).contains(&alpha) => wrong("alpha", alpha, "0..=1"),
            Self { gamma, .. } if !(0.0..=0.99).contains(&gamma) => wrong("gamma", gamma, "0..=0.99"),
            Self { epsilon, .. } if !(0.0..=1.0).contains(&epsilon) => wrong("epsilon", epsilon, "0..=1"),
            _ => Ok(()),
        }
    }
}

/// The policy: a value for every action in every state it was in. Serialises to at most 60 rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    settings: PolicySettings,
    values: BTreeMap<u8, [f64; ACTIONS]>,
    last: Option<PendingAction>,
}

/// An action that waits for its reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct PendingAction {
    state: u8,
    action: Action,
    value: f64,
    fitness: Option<f64>,
}

impl Policy {
    /// A policy that knows nothing but its first guesses.
    pub fn new(settings: PolicySettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Rewards the action before by what happened since, then chooses one for this question.
    ///
    /// `draw(id, n)` gives the n-th random number of question `id`, in 0..1: 0 decides whether to explore, 1 what.
    pub fn act(&mut self, situation: &Situation, id: u64, draw: &impl Fn(u64, u16) -> f32) -> Action {
        let state = situation.state();
        if let Some(pending) = self.last {
            let reward = reward(pending.value, pending.fitness, situation.fitness);
            self.update(pending.state, pending.action, reward, state);
        }
        let action = if f64::from(draw(id, 0)) < self.settings.epsilon {
            Action::ALL[((draw(id, 1) * ACTIONS as f32) as usize).min(ACTIONS - 1)]
        } else {
            self.best(state)
        };
        self.last = Some(PendingAction { state, action, value: situation.value, fitness: situation.fitness });
        action
    }

    /// The values of [`Action::ALL`] for a question.
    pub fn values(&self, situation: &Situation) -> [f64; ACTIONS] {
        self.row(situation.state())
    }

    fn row(&self, state: u8) -> [f64; ACTIONS] {
        self.values.get(&state).copied().unwrap_or_else(|| first_guess(state))
    }

    /// The action of the largest value, the first of equals.
    fn best(&self, state: u8) -> Action {
        let row = self.row(state);
        Action::ALL.into_iter().fold(Action::Answer, |best, action| {
            if row[action as usize] > row[best as usize] { action } else { best }
        })
    }

    fn update(&mut self, state: u8, action: Action, reward: f64, next: u8) {
        let ahead = self.row(next).into_iter().fold(f64::NEG_INFINITY, f64::max);
        let mut row = self.row(state);
        let value = &mut row[action as usize];
        *value += self.settings.alpha * (reward + self.settings.gamma * ahead - *value);
        self.values.insert(state, row);
    }
}

/// The reward of an action: the change of mean fitness until the next question, in parts of 0.1 and at most 1 either way,
/// times half to all of it as the question's `valor` goes from 0 to 1. Nothing where a fitness is unknown.
pub fn reward(value: f64, fitness_then: Option<f64>, fitness_now: Option<f64>) -> f64 {
    let (Some(then), Some(now)) = (fitness_then, fitness_now) else { return 0.0 };
    let change = (now - then) / FITNESS_CHANGE_FULL;
    if !change.is_finite() || !value.is_finite() {
        return 0.0;
    }
    change.clamp(-1.0, 1.0) * (0.5 + 0.5 * value.clamp(0.0, 1.0))
}

/// Before anything is learned: look into anomalies, optimise where advice is asked or the run is bad, else just answer.
/// A tenth, so that one reward outweighs it.
fn first_guess(state: u8) -> [f64; ACTIONS] {
    const GUESS: f64 = 0.1;
    let (intent, condition) = (state / 12, state % 3);
    if intent == Intent::Advice as u8 || condition == Condition::Bad as u8 {
        [0.0, 0.0, GUESS]
    } else if intent == Intent::Anomalies as u8 || condition == Condition::Degraded as u8 {
        [0.0, GUESS, 0.0]
    } else {
        [GUESS, 0.0, 0.0]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(intent: Intent, fitness: f64) -> Situation {
        Situation { intent, value: 0.5, condition: Condition::Good, fitness: Some(fitness) }
    }

    fn never(_: u64, _: u16) -> f32 {
        0.999
    }

    #[test]
    fn every_situation_has_a_state_of_its_own() {
        let mut states = Vec::new();
        for intent in Intent::ALL {
            for value in [0.0, 0.3, 0.6, 1.0] {
                for condition in [Condition::Good, Condition::Degraded, Condition::Bad] {
                    states.push(Situation { intent, value, condition, fitness: None }.state());
                }
            }
        }
        assert_eq!(states, (0..60).collect::<Vec<u8>>());
    }

    #[test]
    fn values_move_towards_the_rewarded_action() {
        // Whenever it optimised, fitness rose by 0.05 until the next question; else it fell by as much.
        let mut policy = Policy::new(PolicySettings { epsilon: 0.3, ..Default::default() });
        let draw = |id: u64, n: u16| (id * 37 + u64::from(n) * 11) as f32 % 101.0 / 101.0;
        let mut fitness = 0.6;
        for id in 0..300 {
            let action = policy.act(&seen(Intent::State, fitness), id, &draw);
            fitness += if action == Action::Optimise { 0.05 } else { -0.05 };
        }
        let [answer, analyse, optimise] = policy.values(&seen(Intent::State, 0.6));
        assert!(optimise > answer && optimise > analyse, "{answer} {analyse} {optimise}");
        assert_eq!(policy.act(&seen(Intent::State, 0.6), 1000, &never), Action::Optimise);
    }

    #[test]
    fn one_update_is_the_documented_rule() {
        let mut policy = Policy::default();
        assert_eq!(policy.act(&seen(Intent::State, 0.5), 1, &never), Action::Answer);
        policy.act(&seen(Intent::Advice, 0.6), 2, &never);
        // 0.1 + 0.2 * (0.75 + 0.5 * 0.1 - 0.1): a whole 0.1 gained, at a value of a half.
        let value = policy.values(&seen(Intent::State, 0.5))[0];
        assert!((value - 0.24).abs() < 1e-12, "{value}");
    }

    #[test]
    fn untrained_it_does_the_obvious() {
        let act = |intent, condition| {
            let situation = Situation { intent, value: 0.5, condition, fitness: None };
            Policy::default().act(&situation, 0, &never)
        };
        assert_eq!(act(Intent::State, Condition::Good), Action::Answer);
        assert_eq!(act(Intent::Anomalies, Condition::Good), Action::Analyse);
        assert_eq!(act(Intent::Changes, Condition::Degraded), Action::Analyse);
        assert_eq!(act(Intent::Advice, Condition::Good), Action::Optimise);
        assert_eq!(act(Intent::Other, Condition::Bad), Action::Optimise);
    }

    #[test]
    fn a_draw_below_epsilon_explores_and_one_explores_everything() {
        for (n, action) in [(0.0, Action::Answer), (0.5, Action::Analyse), (0.999, Action::Optimise)] {
            let draw = |_: u64, which: u16| if which == 0 { 0.05 } else { n };
            assert_eq!(Policy::default().act(&seen(Intent::State, 0.9), 0, &draw), action);
        }
    }

    #[test]
    fn the_reward_grows_with_the_change_and_the_value() {
        assert_eq!(reward(1.0, Some(0.5), Some(0.9)), 1.0);
        assert_eq!(reward(0.0, Some(0.5), Some(0.9)), 0.5);
        assert_eq!(reward(1.0, Some(0.9), Some(0.5)), -1.0);
        assert_eq!(reward(1.0, None, Some(0.5)), 0.0);
        assert_eq!(reward(1.0, Some(f64::NAN), Some(0.5)), 0.0);
        assert_eq!(reward(f64::NAN, Some(0.1), Some(0.5)), 0.0);
    }

    #[test]
    fn condition_follows_the_guides_limits() {
        assert_eq!(Condition::of(Some(0.19), 0), Condition::Bad);
        assert_eq!(Condition::of(Some(0.2), 0), Condition::Degraded);
        assert_eq!(Condition::of(Some(0.5), 0), Condition::Good);
        assert_eq!(Condition::of(Some(0.9), 1), Condition::Degraded);
        assert_eq!(Condition::of(None, 0), Condition::Good);
    }

    #[test]
    fn it_comes_back_from_json_with_its_open_action() {
        let mut policy = Policy::default();
        policy.act(&seen(Intent::State, 0.5), 1, &never);
        policy.act(&seen(Intent::State, 0.53), 2, &never);
        let json = serde_json::to_string(&policy).unwrap();
        let mut back: Policy = serde_json::from_str(&json).unwrap();
        assert_eq!(back, policy);
        let next = seen(Intent::Changes, 0.7);
        assert_eq!(back.act(&next, 3, &never), policy.act(&next, 3, &never));
        assert_eq!(back, policy);
    }

    #[test]
    fn settings_out_of_range_name_key_and_range() {
        let wrong = PolicySettings { gamma: 1.0, ..Default::default() };
        assert_eq!(wrong.check().unwrap_err(), "policy.gamma: found 1, must be within 0..=0.99");
        assert_eq!(PolicySettings::default().check(), Ok(()));
        assert!(PolicySettings { alpha: f64::NAN, ..Default::default() }.check().is_err());
    }

    proptest! {
        #[test]
        fn values_stay_finite_and_within_the_sum_of_all_rewards(
            steps in prop::collection::vec((any::<f64>(), any::<f64>(), 0.0..1.0_f32), 1..60),
        ) {
            let mut policy = Policy::default();
            for (id, (fitness, value, random)) in (0..).zip(steps) {
                let situation = Situation { value, ..seen(Intent::State, fitness) };
                policy.act(&situation, id, &|_, _| random);
                // 1 / (1 - gamma) is the most that rewards of 1 can add up to.
                prop_assert!(policy.values(&situation).iter().all(|value| value.abs() <= 2.0));
            }
        }
    }
}
