import FlowForgeProtocol

/// Why a secret cannot be had. It is told to people and to the control plane, so it quotes nothing that
/// a service or a file said, but names of errors.
struct CredentialFault: Error, Sendable {
    var reason: String
    var hint: String
    /// Another attempt may succeed without anybody doing anything.
    var isPassing = false

    func taskError(of name: String, scheme: String) -> TaskError {
        TaskError(
            code: "credential_unresolved", message: "credential '\(name)' (\(scheme)) cannot be had: \(reason)", hint: hint,
            retryable: isPassing)
    }

    /// A word of a service's answer that may be quoted: the name of an error, nothing else.
    static func word(_ text: String?) -> String? {
        guard let text, (1...64).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({
                $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "_")
            })
        else { return nil }
        return text
    }
}
