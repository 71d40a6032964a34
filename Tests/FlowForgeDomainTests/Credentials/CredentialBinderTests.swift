import FlowForgeDomain
import Testing

@Suite struct CredentialBinderTests {
    private let declared = ["db": "env://DB", "api": "aws-sm://x?region=a&version=1", "broken": "hunter2-hunter2"]

    @Test func `what is named is bound, in its canonical form, and nothing else`() throws {
        #expect(try CredentialBinder.bind(["api"], among: declared) == ["api": "aws-sm://x?version=1&region=a"])
        #expect(try CredentialBinder.bind([], among: declared) == [:])
    }

    @Test func `everything that is missing or no reference is said at once, without its text`() {
        #expect {
            try CredentialBinder.bind(["db", "token", "broken", "other"], among: declared)
        } throws: { error in
            guard let error = error as? CredentialBindingError else { return false }
            return error.missing == ["other", "token"] && error.faults.count == 1 && error.declared == ["api", "broken", "db"]
                && !"\(error)".contains("hunter2")
        }
    }
}
