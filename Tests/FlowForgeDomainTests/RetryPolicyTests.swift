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

    @Test func `jitter takes at most its part off a delay, and a fixed delay does not grow`() {
        let jittered = RetryPolicy(retries: 9, delaySeconds: 10, jitter: 0.5)
        #expect(jittered.decide(outcome: .timedOut, error: nil, failures: 1, draw: 0) == .retry(afterSeconds: 10))
        #expect(jittered.decide(outcome: .timedOut, error: nil, failures: 2, draw: 0.5) == .retry(afterSeconds: 15))
        let fixed = RetryPolicy(retries: 9, delaySeconds: 10, backoff: 1)
        #expect(fixed.decide(outcome: .timedOut, error: nil, failures: 9) == .retry(afterSeconds: 10))
        let capped = RetryPolicy(retries: 9, delaySeconds: 10, backoff: 3, longestDelaySeconds: 25)
        #expect(capped.decide(outcome: .timedOut, error: nil, failures: 2) == .retry(afterSeconds: 25))
    }

    @Test func `draws are spread, and the same for the same failure`() {
        let draws = (0..<1000).map { RetryPolicy.draw(task: $0, failures: 1) }
        #expect(draws.allSatisfy { (0..<1).contains($0) })
        #expect((450...550).contains(draws.count { $0 < 0.5 }))
        #expect(RetryPolicy.draw(task: 7, failures: 2) == RetryPolicy.draw(task: 7, failures: 2))
    }
}
