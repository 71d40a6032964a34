/// What tasks need of an environment's credentials, and whether it has them.
public enum CredentialBinder {
    /// The most that an environment may declare, so that its row and assignments stay small.
    public static let most = 100

    /// The references of `names`, as the environment declares them. Throws everything that is missing or
    /// cannot be read, at once.
    public static func bind(
        _ names: Set<String>, among references: [String: String]
    ) throws(CredentialBindingError) -> [String: String] {
        var (bound, missing, faults): ([String: String], [String], [String]) = ([:], [], [])
        for name in names.sorted() {
            guard let text = references[name] else {
                missing.append(name)
                continue
            }
            do {
                bound[name] = try CredentialReference(text).description
            } catch {
                faults.append("\(name): \(error.message)")
            }
        }
        guard missing.isEmpty, faults.isEmpty else {
            throw CredentialBindingError(missing: missing, faults: faults, declared: references.keys.sorted())
        }
        return bound
    }
}

public struct CredentialBindingError: Error, Hashable, Sendable, CustomStringConvertible {
    public var missing: [String]
    /// Of references that are none; without their text.
    public var faults: [String]
    public var declared: [String]

    public var description: String {
        let absent = missing.isEmpty ? [] : ["it does not declare \(missing.joined(separator: ", "))"]
        return (absent + faults).joined(separator: "; ")
    }
}
