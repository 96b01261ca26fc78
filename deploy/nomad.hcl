# Agents as a batch job: all at once, each once. Fill in what is marked with "yours".
#
# The join blob is not in this file. It becomes a variable that only this job may read, a new one for each run:
#
#   nomad var put -force nomad/jobs/rehearsal-agents join=@runs/RUN/join

job "rehearsal-agents" {
  type        = "batch"
  datacenters = ["*"]

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  constraint {
    attribute = "${attr.cpu.arch}"
    value     = "amd64"
  }

  group "agents" {
    count = 8 # yours: the N of --agents join:N

    # One agent a node: those that share one share its processors and often its ports.
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    spread {
      attribute = "${node.datacenter}"
    }

    # Nobody is started again, here or elsewhere: an agent that leaves has handed its users to the others, and the token
    # admits only N.
    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "agent" {
      driver = "docker"

      # The default, SIGINT, asks an agent nothing.
      kill_signal = "SIGTERM"

      # Longer than --drain-within. More than 30 s has an effect only where the clients' max_kill_timeout allows it.
      kill_timeout = "30s"

      config {
        image           = "registry.example.com/rehearsal-agent:1" # yours
        args            = ["--instance", "nomad:${NOMAD_ALLOC_ID}", "--drain-within", "25s"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]

        # A file for each connection, and some for the agent.
        ulimit {
          nofile = "1048576:1048576"
        }

        # 64,512 ports for each address of the target instead of 28,232. The container must have a network of its own.
        sysctl = {
          "net.ipv4.ip_local_port_range" = "1024 65535"
        }
      }

      env {
        REHEARSAL_REGION = "eu-central-1" # yours: what reports call this place
      }

      # Not as an argument, which whoever may list processes can read. The folder is in memory, and this task's alone.
      template {
        data        = <<-EOT
          REHEARSAL_JOIN={{ with nomadVar "nomad/jobs/rehearsal-agents" }}{{ .join }}{{ end }}
        EOT
        destination = "${NOMAD_SECRETS_DIR}/agent.env"
        env         = true
        # The next run's blob is for the next run's agents.
        change_mode = "noop"
      }

      resources {
        cores  = 2    # yours: whole ones, so that nobody's neighbour is measured
        memory = 4096 # yours, in MiB
      }
    }
  }
}
