//! A fleet of agents on EC2 spot instances, in every region at once: launched, paid for within a budget, and ended
//! without memory of having launched it.
//!
//! A fleet's life, and the files in the order in which it meets them:
//!
//! 1. Somebody orders agents ([`order`]). [`doctor`] finds beforehand what would fail, [`policy`] says which rights it takes.
//! 2. All regions are asked what they have and at which price ([`survey`]); what comes of it is a [`market::Market`].
//! 3. From here on nothing is asked until people agree: agents are spread over regions and pools ([`spread`]), which gives
//!    a [`plan::Plan`] with its [`forecast`].
//! 4. [`launch`] asks each region for its share at once, and in a second round others for what is missing.
//!    People behind NAT are reached through a [`relay`], one instance more.
//! 5. Instances boot, and do what their [`user_data`] says. It begins with their end.
//! 6. [`guard`] looks what runs and feeds the [`meter`], which ends the fleet before its budget is passed.
//! 7. [`sweep`] finds and ends everything that is ours, by its [`tags`] alone.
//!
//! Nothing here knows Amazon's libraries: the few calls that all this needs are the trait [`cloud::Cloud`].
//!
//! | word | meaning |
//! |---|---|
//! | machine | an instance type, such as `c7g.large`: the hardware that one agent gets |
//! | pool | the spare instances of one machine in one zone: they have one price, and run out together |
//! | lot | what one request asks of one region |
//! | round | all requests that go out together; the second asks for what the first did not get |
//! | ceiling | the price above which an instance is not worth having: Amazon takes it back first |
//! | settled | so long after a change that every listing shows it |
#![forbid(unsafe_code)]

pub mod names;
pub mod money;
pub mod tags;
pub mod machines;
pub mod order;

pub mod cloud;
pub mod failure;
mod patience;
pub mod progress;

pub mod market;
pub mod survey;
pub mod doctor;
pub mod policy;

pub mod spread;
pub mod forecast;
pub mod user_data;
pub mod plan;

pub mod request;
pub mod launch;
pub mod relay;
pub mod meter;
pub mod guard;
pub mod sweep;

#[cfg(feature = "sdk")]
pub mod sdk;
