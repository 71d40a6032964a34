import FlowForgeProtocol
import Foundation
import Logging

/// What every attempt of an agent shares.
struct AttemptContext: Sendable {
    /// ``TaskRunner/run(_:reporting:)``, but in tests.
    var execute: @Sendable (TaskWork, any TaskReporting) async -> AgentAPI.Finished
    var cache: BundleCache
    var spool: EventSpool
    var journal: AttemptJournal
    var lake: LakeFolder
    var credentials = CredentialDesk(resolver: CredentialResolver(CredentialSettings(), environment: [:]))
    /// Each attempt gets a folder of its own here.
    var workspaces: URL
    var logger: Logger
    var now: @Sendable () -> Date = Date.init
    var clock: any MonotonicClock = ContinuousClock()
    /// Between tries to spool an outcome.
    var backoff = Backoff()
}
