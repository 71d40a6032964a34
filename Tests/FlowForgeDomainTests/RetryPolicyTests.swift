import FlowForgeDomain
import FlowForgeProtocol
import Testing

@Suite struct RetryPolicyTests {
    private let retryable = TaskError(code: "disk_full", message: "full", retryable: true)
    private let policy = RetryPolicy(retries: 2, delaySeconds: 5)

    @Test func `a retryable error is tried again as often as the policy says`() {
        #expect(policy.decide(outcome: .failed, error: retryable, failures: 1) == .retry(afterSeconds: 5))
        #expect(policy.decide(outcome: .failed, error: retryable, failures: 2) == .retry(afterSeconds: 10))
        #expect(policy.decide(outcome: .failed, error: retryable, failures: 3) == .giveUp)
    }

    @Test func `a timeout is tried again`() {
        #expect(policy.decide(outcome: .timedOut, error: nil, failures: 1) == .retry(afterSeconds: 5))
    }

    @Test(arguments: ["sql_error", "check_failed"])
    func `what would fail in the same way is not tried again`(code: String) {
        let error = TaskError(code: code, message: "no")
        #expect(policy.decide(outcome: .failed, error: error, failures: 1) == .giveUp)
        #expect(policy.decide(outcome: .failed, error: nil, failures: 1) == .giveUp)
    }

    @Test func `the delay ends at an hour`() {
        let patient = RetryPolicy(retries: 1000, delaySeconds: 60)
        #expect(patient.decide(outcome: .timedOut, error: nil, failures: 999) == .retry(afterSeconds: 3600))
    }

    @Test func `nonsense in a policy means no retries`() {
        let none = RetryPolicy(retries: -1, delaySeconds: -5)
        #expect(none.decide(outcome: .timedOut, error: nil, failures: 1) == .giveUp)
        #expect(RetryPolicy(retries: 1, delaySeconds: .nan).delaySeconds == 0)
        #expect(RetryPolicy(retries: 1, delaySeconds: 1e300).delaySeconds == 3600)
    }
}
