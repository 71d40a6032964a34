import ArgumentParser
import FlowForgeProtocol

/// The root command.
struct Flowforge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flowforge",
        abstract: "The command line of FlowForge, the control plane of data pipelines.",
        discussion: """
            Log in first; then deploy a bundle to an environment and run its flows:

              flowforge login --url https://HOST:PORT --token-file FILE --ca-file ca.pem
              flowforge env create dev --pool local --var raw_dir=/data/raw
              flowforge deploy Examples/nyc-flights --env dev
              flowforge run start medallion --env dev --watch

            Every command takes --json. Environment: FLOWFORGE_URL, FLOWFORGE_TOKEN and FLOWFORGE_CA_FILE stand \
            in for a context, FLOWFORGE_CONTEXT chooses one, NO_COLOR turns colours off.

            Exit codes: 0 ok; 1 the run failed, the bundle is not valid, or it did not work; 2 wrong usage; \
            3 not found; 4 refused (not logged in, or not allowed); 5 conflict; 6 the control plane cannot be \
            reached or cannot answer now; 7 the run was cancelled; 130 interrupted. Those of `flowforge plan` are its \
            own: 0 no change; 1 error; 2 changes; 3 drift; 4 a gate denies it.
            """,
        version: FlowForgeVersion.current,
        groupedSubcommands: [
            CommandGroup(name: "Connecting", subcommands: [Login.self, Logout.self, ContextCommand.self, WhoAmI.self]),
            CommandGroup(
                name: "Releasing",
                subcommands: [EnvironmentCommand.self, BundleCommand.self, KeyCommand.self, DeployCommand.self]),
            CommandGroup(
                name: "Promoting",
                subcommands: [
                    PlanCommand.self, ApplyCommand.self, PromoteCommand.self, RollbackCommand.self, DemoteCommand.self,
                    PromotionCommand.self, DriftCommand.self,
                ]),
            CommandGroup(
                name: "Running",
                subcommands: [
                    RunCommand.self, FlowCommand.self, LimitCommand.self, TriggerCommand.self, ScheduleCommand.self,
                    BackfillCommand.self,
                ]),
            CommandGroup(name: "Looking", subcommands: [AssetCommand.self, LineageCommand.self]),
            CommandGroup(
                name: "Administering",
                subcommands: [
                    AgentCommand.self, PrincipalCommand.self, TokenCommand.self, OrganisationCommand.self, ProjectCommand.self,
                    AuditCommand.self, AdminCommand.self,
                ]),
            CommandGroup(name: "This program", subcommands: [CompletionsCommand.self, VersionCommand.self]),
        ])
}
