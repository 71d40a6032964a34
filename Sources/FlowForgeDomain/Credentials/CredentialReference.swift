/// Where a secret lies: all that an environment, the control plane and the wire know of it. Agents
/// resolve it beside the task, and the value goes no further.
///
///     aws-sm://SECRET_ID[#FIELD][?version=…&region=…]
///     azure-kv://VAULT/NAME[/VERSION]
///     gcp-sm://PROJECT/NAME[/VERSION]
///     env://NAME
///     file:///PATH[#FIELD]
///
/// `SECRET_ID` is the secret's name or ARN. `FIELD` picks one member of a secret that is a JSON object.
/// Reading is strict, because parts become host names, paths and requests: what the services themselves
/// would not allow in a name is refused.
public enum CredentialReference: Hashable, Sendable {
    case awsSecretsManager(secret: String, field: String?, version: String?, region: String?)
    case azureKeyVault(vault: String, name: String, version: String?)
    case gcpSecretManager(project: String, name: String, version: String?)
    case environment(name: String)
    case file(path: String, field: String?)

    public static let longest = 2048
    public static let schemes = ["aws-sm", "azure-kv", "gcp-sm", "env", "file"]

    public var scheme: String {
        switch self {
        case .awsSecretsManager: "aws-sm"
        case .azureKeyVault: "azure-kv"
        case .gcpSecretManager: "gcp-sm"
        case .environment: "env"
        case .file: "file"
        }
    }
}

extension CredentialReference: CustomStringConvertible {
    /// What ``init(_:)`` reads back as the same reference; equal references have equal texts.
    public var description: String {
        switch self {
        case .awsSecretsManager(let secret, let field, let version, let region):
            let options = [version.map { "version=\($0)" }, region.map { "region=\($0)" }].compactMap(\.self)
            return "aws-sm://\(secret)\(field.map { "#\($0)" } ?? "")"
                + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
        case .azureKeyVault(let vault, let name, let version):
            return "azure-kv://\(vault)/\(name)\(version.map { "/\($0)" } ?? "")"
        case .gcpSecretManager(let project, let name, let version):
            return "gcp-sm://\(project)/\(name)\(version.map { "/\($0)" } ?? "")"
        case .environment(let name): return "env://\(name)"
        case .file(let path, let field): return "file://\(path)\(field.map { "#\($0)" } ?? "")"
        }
    }
}

/// Why a text is no ``CredentialReference``. It may be quoted to people: a reference is no secret. But
/// somebody may have written the secret itself where a reference belongs, so the text is never in it.
public struct CredentialReferenceFault: Error, Hashable, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String
    public var description: String { message }
}
