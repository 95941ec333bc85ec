//! A model of the claim: every interleaving of the steps that members take to join, take from, leave and withdraw an offer, and to fall
//! asleep and be woken. Each step is one that the code makes whole: under a lock, or one atomic operation that is sequentially consistent.
//!
//! It is a model, written beside the code and not made from it: `offer.rs` and `sleepers.rs` say which step is which.

use std::collections::{BTreeSet, VecDeque};

/// What a member is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// `Offers::show`, of who offers.
    Show,
    /// `Sleepers::wake_one`, or nobody sleeps.
    Call,
    /// `Work::work`: takes an item, if there is one.
    Take,
    /// The item in hand is done.
    Finish,
    /// `Offers::withdraw`.
    Withdraw,
    /// `Offer::is_left`, again and again.
    Wait,
    /// `Offers::join`, under the lock: counted in, if it is shown and ready.
    Join,
    /// Counted out.
    Leave,
    /// `Sleepers::sleep`: on the list.
    Lie,
    /// The last look for work.
    Look,
    /// Parked.
    Sleep,
    /// Done.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    is_shown: bool,
    /// Whether the offer's stack frame is gone.
    is_gone: bool,
    left: u8,
    done: u8,
    others: u8,
    /// Who is on the list of sleepers.
    asleep: Vec<usize>,
    /// Whose token is there.
    tokens: Vec<bool>,
    /// By member; the first offers.
    steps: Vec<Step>,
}

const ITEMS: u8 = 3;

impl State {
    fn new(members: usize) -> Self {
        let mut steps = vec![Step::Join; members];
        steps[0] = Step::Show;
        Self {
            is_shown: false,
            is_gone: false,
            left: ITEMS,
            done: 0,
            others: 0,
            asleep: Vec::new(),
            tokens: vec![false; members],
            steps,
        }
    }

    /// What comes of the next step of a member; none if it can't go on.
    fn step(&self, member: usize) -> Option<Self> {
        let (mut next, is_lead) = (self.clone(), member == 0);
        let touch = || assert!(!self.is_gone, "member {member} meets an offer that is gone: {self:?}");
        next.steps[member] = match self.steps[member] {
            Step::Show => {
                next.is_shown = true;
                Step::Call
            }
            Step::Call => {
                if let Some(sleeper) = next.asleep.pop() {
                    next.tokens[sleeper] = true;
                }
                Step::Take
            }
            Step::Take => {
                touch();
                match (self.left, is_lead) {
                    (0, true) => Step::Withdraw,
                    (0, false) => Step::Leave,
                    _ => {
                        next.left -= 1;
                        Step::Finish
                    }
                }
            }
            Step::Finish => {
                next.done += 1;
                Step::Take
            }
            Step::Withdraw => {
                next.is_shown = false;
                Step::Wait
            }
            Step::Wait if self.others > 0 => return None,
            Step::Wait => {
                assert_eq!(self.done, ITEMS, "the offerer goes on before all is done: {self:?}");
                next.is_gone = true;
                Step::End
            }
            Step::Join if self.is_shown && self.left > 0 => {
                touch();
                next.others += 1;
                // One calls the next.
                Step::Call
            }
            Step::Join => Step::Lie,
            Step::Leave => {
                touch();
                next.others -= 1;
                Step::End
            }
            Step::Lie => {
                next.asleep.push(member);
                Step::Look
            }
            Step::Look if self.is_shown && self.left > 0 => {
                next.asleep.retain(|other| *other != member);
                Step::Join
            }
            Step::Look => Step::Sleep,
            Step::Sleep if !self.tokens[member] => return None,
            Step::Sleep => {
                next.tokens[member] = false;
                next.asleep.retain(|other| *other != member);
                Step::Join
            }
            Step::End => return None,
        };
        Some(next)
    }
}

#[test]
fn in_every_interleaving_all_is_done_and_nobody_meets_an_offer_that_is_gone() {
    for members in 1..=4 {
        let first = State::new(members);
        let (mut seen, mut open) = (BTreeSet::from([first.clone()]), VecDeque::from([first]));
        let mut ends = 0;
        while let Some(state) = open.pop_front() {
            let next: Vec<State> = (0..members).filter_map(|member| state.step(member)).collect();
            if next.is_empty() {
                // Nobody can go on: the offerer is through, and who sleeps has nothing to do.
                assert_eq!(state.steps[0], Step::End, "{members} members hang: {state:?}");
                assert_eq!(state.others, 0);
                ends += 1;
            }
            // While there are items on show, a sleeper without a wake is on the list, so that the next who comes wakes it.
            for member in 1..members {
                let sleeps = state.steps[member] == Step::Sleep && !state.tokens[member];
                assert!(!sleeps || state.asleep.contains(&member), "a wake is lost: {state:?}");
            }
            for state in next {
                if seen.insert(state.clone()) {
                    open.push_back(state);
                }
            }
        }
        assert!(ends > 0);
    }
}
