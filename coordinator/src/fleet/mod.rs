//! The agents of a run, whoever starts them; above all fleets of EC2 instances, from the order to the last instance.
//!
//! ```text
//! environment, options ─► wanted ─► quote (what there is, what it costs) ─► agreed
//!                                                                             │
//! agent's binary ─► deploy (mirror) ─► user data ◄── join blob ◄── services   ▼
//!                                          └──────────────────────► instances (launch, look, meter, end)
//!                                                                             │
//!                                      conductor ◄── exits, spending, guests ─┘
//! ```
//!
//! A fleet is launched for one run, whose folder is its [`home`], or by `fleet up` for several: then it has a folder of its
//! own, and its agents wait for the next run when one is over. What happens at Amazon is `rehearsal-ec2`'s business.

mod advertise;
mod cloud;
mod commands;
mod counted;
mod crew;
mod deploy;
mod doctor;
mod eyes;
mod home;
mod instances;
mod launching;
pub(crate) mod options;
mod party;
mod quote;
mod relay;
mod table;
mod up;
mod wanted;

pub(crate) use advertise::Advertised;
pub(crate) use commands::obey;
pub(crate) use crew::Crew;
pub(crate) use home::{Home, find as find_standing};
pub(crate) use instances::Spent;
pub(crate) use party::{Party, Wish, cores_of_an_agent};
pub(crate) use quote::{agree, forecast};
pub(crate) use wanted::Wanted;
