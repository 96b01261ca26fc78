//! Instances as processes: how they start, what they know of themselves, and that nothing outlives them.

use std::path::Path;
use std::time::{Duration, Instant};

use rehearsal_fake_ec2::{FakeEc2, Reason, State, Whereabouts, World};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::asking::{REGION, admin, awaited, call, instance, launch, marked, template};

fn running() -> World {
    World::of(&[REGION])
}

/// Waits until an instance has printed something, and gives all that it has printed.
async fn console(fake: &FakeEc2, id: &str, wanted: &str) -> String {
    let path = fake.folder(id).join("console.log");
    awaited(wanted, || std::fs::read_to_string(&path).ok().filter(|text| text.contains(wanted))).await
}

/// Where the machine of an instance is: known a moment after its first word may have been printed.
async fn whereabouts(fake: &FakeEc2, id: &str) -> Whereabouts {
    awaited("the machine", || fake.whereabouts(id)).await
}

async fn ended(fake: &FakeEc2, id: &str) -> Option<Reason> {
    awaited("the end", || Some(instance(fake, id)).filter(|it| it.state() == State::Terminated)).await.reason
}

#[tokio::test]
async fn user_data_runs_and_the_instance_goes_on_when_it_has_ended() {
    let fake = FakeEc2::start(running()).unwrap();
    let script = "#!/bin/sh -u\necho region $FAKE_EC2_REGION home $HOME path $PATH\necho end\n";
    let id = &launch(&fake, script, 1).await[0];
    let printed = console(&fake, id, "end\n").await;
    let folder = fake.folder(id);
    assert!(
        printed.starts_with(&format!("region {REGION} home {0}/root path {0}/bin:", folder.display())),
        "{printed}"
    );
    assert_eq!(instance(&fake, id).state(), State::Running);
    whereabouts(&fake, id).await;
}

/// A script that removes itself, with the secrets in it, goes on.
#[tokio::test]
async fn user_data_lies_where_cloud_init_leaves_it() {
    let fake = FakeEc2::start(running()).unwrap();
    let script = "#!/bin/sh\nset -eu\ncat $CLOUD_DIR/data/instance-id\ncd $CLOUD_DIR/instances\nls ./*/user-data.txt\n\
                  rm -rf ./*/user-data.txt* ./*/scripts ./*/obj.pkl\necho secret-less\n";
    let id = &launch(&fake, script, 1).await[0];
    let printed = console(&fake, id, "secret-less").await;
    assert_eq!(printed, format!("{id}\n./{id}/user-data.txt\nsecret-less\n"));
    let found = std::process::Command::new("grep").args(["-rlF", "obj.pkl"]).arg(fake.folder(id)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "nothing is left of it");
}

#[tokio::test]
async fn shutting_down_ends_an_instance_as_it_was_started_to() {
    let fake = FakeEc2::start(running()).unwrap();
    let id = &launch(&fake, "#!/bin/sh\nsleep 1000 &\nshutdown -P now\n", 1).await[0];
    assert_eq!(ended(&fake, id).await, Some(Reason::Itself));
    assert_eq!(marked(&fake.folder(id)), [""; 0]);
    // On demand, and not told otherwise, it is only stopped.
    let run = "LaunchTemplate.LaunchTemplateName=agents&InstanceType=c7g.large&MinCount=1&MaxCount=1\
               &InstanceInitiatedShutdownBehavior=stop";
    call(&fake, "RunInstances", run).await;
    let id = fake.instances().last().unwrap().id.clone();
    awaited("the stop", || (instance(&fake, &id).state() == State::Stopped).then_some(())).await;
    call(&fake, "TerminateInstances", &format!("InstanceId.1={id}")).await;
    assert_eq!(instance(&fake, &id).state(), State::Terminated);
}

#[tokio::test]
async fn a_planned_shutdown_comes_in_time_unless_it_is_taken_back() {
    let mut world = running();
    world.machines.minute = 0.2;
    let fake = FakeEc2::start(world).unwrap();
    let began = Instant::now();
    let id = &launch(&fake, "#!/bin/sh\nshutdown -P +2\n", 1).await[0];
    assert_eq!(ended(&fake, id).await, Some(Reason::Itself));
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    let other = FakeEc2::start(fake.world()).unwrap();
    let id = &launch(&other, "#!/bin/sh\nshutdown +1\nshutdown -c\necho cancelled\n", 1).await[0];
    console(&other, id, "cancelled").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(instance(&other, id).state(), State::Running, "three minutes later");
}

#[tokio::test]
async fn units_that_end_switch_their_machine_off() {
    let fake = FakeEc2::start(running()).unwrap();
    let script = "#!/bin/sh\nsystemd-run --unit agent -p ExecStopPost='systemctl poweroff' -E WHO=me \
                  sh -c 'echo I am $WHO; exit 1'\necho launched\n";
    let id = &launch(&fake, script, 1).await[0];
    assert_eq!(ended(&fake, id).await, Some(Reason::Itself));
    console(&fake, id, "I am me").await;
}

#[tokio::test]
async fn terminating_asks_first_and_kills_after_the_grace() {
    let mut world = running();
    world.machines.grace = 0.5;
    let fake = FakeEc2::start(world).unwrap();
    let polite = "#!/bin/sh\ntrap 'echo asked; exit' TERM\necho ready\nwhile :; do sleep 0.05; done\n";
    let id = &launch(&fake, polite, 1).await[0];
    console(&fake, id, "ready").await;
    call(&fake, "TerminateInstances", &format!("InstanceId.1={id}")).await;
    assert_eq!(ended(&fake, id).await, Some(Reason::User));
    console(&fake, id, "asked").await;
    let other = FakeEc2::start(fake.world()).unwrap();
    let id = &launch(&other, "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n", 1).await[0];
    console(&other, id, "ready").await;
    let began = Instant::now();
    call(&other, "TerminateInstances", &format!("InstanceId.1={id}")).await;
    assert_eq!(instance(&other, id).state(), State::ShuttingDown);
    assert_eq!(ended(&other, id).await, Some(Reason::User));
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(marked(&other.folder(id)), [""; 0]);
}

/// Asks a metadata service, with a token.
async fn metadata(imds: &str, path: &str) -> (StatusCode, String) {
    let client = Client::new();
    let asked = client.put(format!("{imds}/latest/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = asked.send().await.unwrap().text().await.unwrap();
    let asked = client.get(format!("{imds}/latest/{path}")).header("x-aws-ec2-metadata-token", token);
    let answer = asked.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn instances_know_themselves_only_with_a_token() {
    let fake = FakeEc2::start(running()).unwrap();
    let ids = launch(&fake, "#!/bin/sh\necho at $AWS_EC2_METADATA_SERVICE_ENDPOINT\n", 2).await;
    let mut addresses = Vec::new();
    for id in &ids {
        let printed = console(&fake, id, "at http").await;
        let imds = printed.trim().trim_start_matches("at ").to_owned();
        for (path, expected) in [
            ("meta-data/instance-id", id.as_str()),
            ("meta-data/placement/region", REGION),
            ("meta-data/instance-life-cycle", "spot"),
            ("meta-data/public-ipv4", "127.0.0.1"),
        ] {
            assert_eq!(metadata(&imds, path).await, (StatusCode::OK, expected.to_owned()), "{path}");
        }
        assert_eq!(metadata(&imds, "meta-data/spot/instance-action").await.0, StatusCode::NOT_FOUND);
        addresses.push(imds);
    }
    assert_ne!(addresses[0], addresses[1]);
    let client = Client::new();
    let path = format!("{}/latest/meta-data/instance-id", addresses[0]);
    assert_eq!(client.get(&path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let guessed = client.get(&path).header("x-aws-ec2-metadata-token", "guessed");
    assert_eq!(guessed.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let token = format!("{}/latest/api/token", addresses[0]);
    assert_eq!(client.put(&token).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let ttl = client.put(&token).header("x-aws-ec2-metadata-token-ttl-seconds", "1").send().await.unwrap();
    let short = ttl.text().await.unwrap();
    let began = Instant::now();
    loop {
        let asked = client.get(&path).header("x-aws-ec2-metadata-token", &short).send().await.unwrap();
        if asked.status() == StatusCode::UNAUTHORIZED {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the token does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_interruption_is_announced_and_then_kills() {
    let fake = FakeEc2::start(running()).unwrap();
    let id = &launch(&fake, "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n", 1).await[0];
    console(&fake, id, "ready").await;
    let imds = whereabouts(&fake, id).await.imds;
    let rebalance = "meta-data/events/recommendations/rebalance";
    assert_eq!(metadata(&imds, rebalance).await.0, StatusCode::NOT_FOUND);
    assert!(fake.recommend(id));
    let (status, told) = metadata(&imds, rebalance).await;
    assert!(status == StatusCode::OK && told.starts_with("{\"noticeTime\":\"20"), "{told}");
    assert_eq!(instance(&fake, id).state(), State::Running);
    let began = Instant::now();
    assert!(fake.interrupt(id, Duration::from_secs(1)));
    let (_, told) = metadata(&imds, "meta-data/spot/instance-action").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["action"], "terminate");
    assert!(told["time"].as_str().unwrap().ends_with('Z'), "{told}");
    assert_eq!(ended(&fake, id).await, Some(Reason::Interruption));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(marked(&fake.folder(id)), [""; 0]);
    assert!(!fake.interrupt(id, Duration::ZERO), "it is gone");
    let told = call(&fake, "DescribeInstances", "").await;
    assert!(told.contains("<stateReason><code>Server.SpotInstanceTermination</code>"), "{told}");
}

#[tokio::test]
async fn hosts_die_without_a_word() {
    let fake = FakeEc2::start(running()).unwrap();
    let id =
        &launch(&fake, "#!/bin/sh\ntrap 'echo asked' TERM\necho ready\nwhile :; do sleep 0.05; done\n", 1).await[0];
    console(&fake, id, "ready").await;
    assert!(fake.fail(id));
    assert_eq!(ended(&fake, id).await, Some(Reason::Failure));
    assert!(!console(&fake, id, "ready").await.contains("asked"));
}

#[tokio::test]
async fn instances_boot_and_what_is_ended_before_never_runs() {
    let mut world = running();
    world.machines.boot = 3_600.0;
    let fake = FakeEc2::start(world).unwrap();
    let id = &launch(&fake, "#!/bin/sh\necho ran\n", 1).await[0];
    assert_eq!(instance(&fake, id).state(), State::Pending);
    call(&fake, "TerminateInstances", &format!("InstanceId.1={id}")).await;
    assert_eq!(ended(&fake, id).await, Some(Reason::User));
    assert!(!fake.folder(id).exists());
}

/// Whatever user data does to get away: with the fake, its processes are gone.
#[tokio::test]
async fn nothing_outlives_the_fake() {
    let fake = FakeEc2::start(running()).unwrap();
    let script = "#!/bin/sh\ntrap '' TERM HUP\nsetsid sleep 1000 &\nnohup sleep 1001 >/dev/null 2>&1 &\n(sleep 1002 &)\n\
                  env -i sleep 1003 &\necho ready\nwhile :; do sleep 0.05; done\n";
    let ids = launch(&fake, script, 3).await;
    let folders: Vec<_> = ids.iter().map(|id| fake.folder(id)).collect();
    for (id, folder) in ids.iter().zip(&folders) {
        console(&fake, id, "ready").await;
        // The leader, the shell, three that sleep, and perhaps the one that it waits for.
        awaited("all processes", || (marked(folder).len() >= 5).then_some(())).await;
    }
    let mut groups = Vec::new();
    for id in &ids {
        groups.push(whereabouts(&fake, id).await.pid);
    }
    drop(fake);
    for (folder, group) in folders.iter().zip(groups) {
        assert_eq!(marked(folder), [""; 0]);
        assert!(!folder.exists());
        assert!(!Path::new(&format!("/proc/{group}")).exists(), "the leader {group} is there");
    }
}

#[tokio::test]
async fn user_data_has_the_commands_and_variables_of_the_world_and_none_of_ours() {
    let mut world = running();
    world.machines.environment.insert("GREETING".into(), "hello".into());
    world.machines.commands.insert("curl".into(), "echo no network for \"$@\"".into());
    let fake = FakeEc2::start(world).unwrap();
    let script =
        "#!/bin/sh\necho $GREETING cargo=$CARGO_PKG_NAME\ncurl x\nsysctl -w net.core.somaxconn=1 && echo end\n";
    let id = &launch(&fake, script, 1).await[0];
    let printed = console(&fake, id, "end").await;
    assert_eq!(printed, "hello cargo=\nno network for x\nend\n");
    template_without_script(&fake).await;
}

/// As with cloud-init, what is no script is not run.
async fn template_without_script(fake: &FakeEc2) {
    call(fake, "DeleteLaunchTemplate", "LaunchTemplateName=agents").await;
    template(fake, "#cloud-config\n").await;
    call(fake, "CreateFleet", &crate::asking::fleet(1, "")).await;
    let id = fake.instances().last().unwrap().id.clone();
    console(fake, &id, "the user data is not run").await;
}

/// What people do with an instance, over HTTP.
#[tokio::test]
async fn instances_are_listed_and_struck_over_http() {
    let fake = FakeEc2::start(running()).unwrap();
    let ids = launch(&fake, "#!/bin/sh\necho ready\nsleep 1000\n", 3).await;
    for id in &ids {
        console(&fake, id, "ready").await;
    }
    let (_, told) = admin(&fake, Method::GET, "/fake/instances", "").await;
    let first = &told[0];
    assert_eq!(
        (&first["id"], &first["state"], &first["lifecycle"]),
        (&json!(ids[0]), &json!("running"), &json!("spot"))
    );
    assert_eq!(first["tags"]["run"], "7");
    let put = |id: &str, what: &str, body: &'static str| {
        let path = format!("/fake/instances/{id}/{what}");
        let fake = &fake;
        async move { admin(fake, Method::PUT, &path, body).await.0 }
    };
    let (_, printed) = admin(&fake, Method::GET, &format!("/fake/instances/{}/console", ids[0]), "").await;
    assert_eq!(printed, "ready\n");
    assert_eq!(put(&ids[0], "rebalance", "").await, 204);
    assert_eq!(put(&ids[0], "interrupt", "{\"seconds\": 0}").await, 204);
    assert_eq!(put(&ids[1], "fail", "").await, 204);
    assert_eq!(put(&ids[2], "interrupt", "{\"seconds\": \"soon\"}").await, 400);
    assert_eq!(ended(&fake, &ids[0]).await, Some(Reason::Interruption));
    assert_eq!(ended(&fake, &ids[1]).await, Some(Reason::Failure));
    for what in ["rebalance", "interrupt", "fail"] {
        assert_eq!(put(&ids[0], what, "").await, 404, "{what}");
        assert_eq!(put("i-0", what, "").await, 404, "{what}");
    }
    assert_eq!(fake.alive(), 1);
    assert_eq!(put(&ids[2], "interrupt", "").await, 204);
    let deadline = instance(&fake, &ids[2]).deadline.unwrap();
    let left = deadline.duration_since(std::time::SystemTime::now()).unwrap();
    assert!((100..=120).contains(&left.as_secs()), "two minutes, if nothing is said: {left:?}");
}
