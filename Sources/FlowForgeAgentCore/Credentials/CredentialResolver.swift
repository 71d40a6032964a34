import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// Fetches the secrets that one attempt needs. Nothing is kept: each attempt asks again, so that a secret
/// that was changed is there with the next.
struct CredentialResolver: Sendable {
    private let local: LocalCredentials
    private let aws: AWSSecrets
    private let azure: AzureSecrets
    private let gcp: GoogleSecrets

    init(
        _ settings: CredentialSettings, environment: [String: String], proxies: ProxyRules = .direct,
        azureMetadata: String? = nil
    ) {
        let http = CloudHTTP(proxies: proxies)
        local = LocalCredentials(
            allowedVariables: settings.allowedVariables, allowedFolders: settings.allowedFolders, environment: environment)
        aws = AWSSecrets(http: http, identity: AWSIdentity(http: http, environment: environment), settings: settings)
        azure = AzureSecrets(http: http, settings: settings, metadata: azureMetadata ?? "http://169.254.169.254")
        // Google's own programs know this variable.
        let metadata = environment["GCE_METADATA_HOST"].map { "http://\($0)" } ?? "http://metadata.google.internal"
        gcp = GoogleSecrets(http: http, settings: settings, metadata: metadata)
    }

    /// The values of `names`, all or none. Throws `TaskError` `credential_unresolved`, and `CancellationError`.
    func resolve(_ names: [String], among references: [String: String]) async throws -> [String: CredentialValue] {
        var values: [String: CredentialValue] = [:]
        for name in names {
            // It becomes a file's name.
            guard isPlainName(name), let text = references[name] else {
                throw CredentialFault(
                    reason: "the assignment has no reference for it",
                    hint: "declare it in the environment; a control plane of an earlier release knows no credentials"
                ).taskError(of: isPlainName(name) ? name : "?", scheme: "none")
            }
            let reference: CredentialReference
            do { reference = try CredentialReference(text) } catch {
                throw CredentialFault(reason: "its reference cannot be read: \(error.message)", hint: error.hint)
                    .taskError(of: name, scheme: "none")
            }
            do { values[name] = try await value(of: reference) } catch let fault as CredentialFault {
                throw fault.taskError(of: name, scheme: reference.scheme)
            }
        }
        return values
    }

    private func value(of reference: CredentialReference) async throws -> CredentialValue {
        switch reference {
        case .environment(let name): try local.variable(name)
        case .file(let path, let field): try local.file(path).member(field)
        case .awsSecretsManager(let secret, let field, let version, let region):
            try await aws.value(secret, version: version, region: region).member(field)
        case .azureKeyVault(let vault, let name, let version): try await azure.value(vault: vault, name: name, version: version)
        case .gcpSecretManager(let project, let name, let version):
            try await gcp.value(project: project, name: name, version: version)
        }
    }
}
