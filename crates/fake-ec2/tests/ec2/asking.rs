//! How tests ask: calls over plain HTTP, without a client that retries or hides anything.

use std::path::Path;
use std::time::{Duration, Instant};

use rehearsal_fake_ec2::{FakeEc2, Instance, World};
use reqwest::{Client, Method};
use serde_json::Value;

/// What a test waits at the most for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where most tests call.
pub const REGION: &str = "us-east-1";

/// A world of two regions in which nothing goes wrong, with instances that are only told of.
pub fn quiet() -> World {
    let mut world = World::of(&[REGION, "eu-west-1"]);
    world.machines.run = false;
    world
}

/// Makes a call, and gives the status and the body of the answer.
pub async fn call_in(url: &str, region: &str, action: &str, fields: &str) -> (u16, String) {
    let signed = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/{region}/ec2/aws4_request, Signature=0");
    let body = format!("Action={action}&Version=2016-11-15&{fields}");
    let call = Client::new().post(url).header("authorization", signed).body(body).send();
    let answer = tokio::time::timeout(PATIENCE, call).await.expect("it has to answer").unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Makes a call that has to succeed.
pub async fn call(fake: &FakeEc2, action: &str, fields: &str) -> String {
    let (status, body) = call_in(&fake.url(), REGION, action, fields).await;
    assert_eq!(status, 200, "{action} {fields}: {body}");
    body
}

/// Makes a call that has to fail, and gives the status and Amazon's code.
pub async fn refusal(fake: &FakeEc2, region: &str, action: &str, fields: &str) -> (u16, String) {
    let (status, body) = call_in(&fake.url(), region, action, fields).await;
    let code = texts(&body, "Code").into_iter().next();
    (status, code.unwrap_or_else(|| panic!("{action} {fields} was not refused: {body}")))
}

/// All texts between tags of one name.
pub fn texts(body: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = body.split(&open).skip(1);
    parts.map(|part| part.split(&close).next().unwrap_or_default().to_owned()).collect()
}

/// Asks what EC2 does not have.
pub async fn admin(fake: &FakeEc2, method: Method, path: &str, body: &str) -> (u16, Value) {
    let call = Client::new().request(method, fake.url() + path).header("content-type", "application/json");
    let answer = call.body(body.to_owned()).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A template for arm64 with this user data, whose instances are gone when they are shut down.
pub async fn template(fake: &FakeEc2, user_data: &str) {
    use base64::Engine;
    let encoded = base64::prelude::BASE64_STANDARD.encode(user_data);
    let encoded = encoded.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let image = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";
    let fields = format!(
        "LaunchTemplateName=agents&LaunchTemplateData.ImageId={image}&LaunchTemplateData.UserData={encoded}\
         &LaunchTemplateData.InstanceInitiatedShutdownBehavior=terminate"
    );
    call(fake, "CreateLaunchTemplate", &fields).await;
}

/// The fields of a spot fleet out of two zones.
pub fn fleet(target: u32, more: &str) -> String {
    let place = "LaunchTemplateConfigs.1";
    let zones = [(1, 'a'), (2, 'b')].map(|(i, letter)| {
        format!("{place}.Overrides.{i}.InstanceType=c7g.large&{place}.Overrides.{i}.AvailabilityZone={REGION}{letter}&")
    });
    format!(
        "Type=instant&{}{place}.LaunchTemplateSpecification.LaunchTemplateName=agents\
         &{place}.LaunchTemplateSpecification.Version=$Latest&TargetCapacitySpecification.TotalTargetCapacity={target}\
         &TargetCapacitySpecification.DefaultTargetCapacityType=spot&TagSpecification.1.ResourceType=instance\
         &TagSpecification.1.Tag.1.Key=run&TagSpecification.1.Tag.1.Value=7&{more}",
        zones.concat()
    )
}

/// Starts a spot fleet with this user data, and gives the ids of its instances.
pub async fn launch(fake: &FakeEc2, user_data: &str, target: u32) -> Vec<String> {
    template(fake, user_data).await;
    let told = call(fake, "CreateFleet", &fleet(target, "")).await;
    let sets = texts(&told, "instanceIds").concat();
    texts(&sets, "item")
}

pub fn instance(fake: &FakeEc2, id: &str) -> Instance {
    let all = fake.instances();
    all.into_iter().find(|instance| instance.id == id).unwrap_or_else(|| panic!("no {id}"))
}

/// Waits until something is there, and gives it.
pub async fn awaited<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The processes of the instance with this folder, which all have it in their environment.
pub fn marked(folder: &Path) -> Vec<String> {
    let mark = format!("FAKE_EC2_FOLDER={}", folder.display()).into_bytes();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let is_marked = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    };
    all.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_marked).collect()
}
