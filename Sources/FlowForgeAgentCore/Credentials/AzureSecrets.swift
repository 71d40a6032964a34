import FlowForgeProtocol
import Foundation

/// Azure Key Vault, `Get Secret`, as the machine's managed identity. Written from Microsoft's documentation
/// (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret and
/// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token);
/// never tried against the service.
struct AzureSecrets: Sendable {
    var http: CloudHTTP
    var settings: CredentialSettings
    var metadata = "http://169.254.169.254"

    private struct Token: Decodable {
        var access_token: String
    }

    private struct Value: Decodable {
        var value: String
    }

    private struct Refusal: Decodable {
        struct Fault: Decodable { var code: String? }
        var error: Fault?
    }

    func value(vault: String, name: String, version: String?) async throws -> CredentialValue {
        let token = try await token()
        let base = settings.azureEndpoint.map { "\($0)/\(vault)" } ?? "https://\(vault).\(settings.azureSuffix)"
        let answer = try await http.send(
            CloudHTTP.Request(
                url: "\(base)/secrets/\(name)\(version.map { "/\($0)" } ?? "")?api-version=7.4",
                headers: ["authorization": "Bearer \(token.reveal())", "accept": "application/json"]))
        guard answer.status == 200 else { throw Self.refusal(answer) }
        return try CredentialValue(try answer.decode(Value.self).value.utf8)
    }

    private func token() async throws -> Secret {
        var url =
            "\(metadata)/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F\(settings.azureSuffix)"
        if let client = settings.azureClient { url += "&client_id=\(client)" }
        let answer = try await http.send(CloudHTTP.Request(url: url, headers: ["metadata": "true"], isLocal: true))
        guard answer.status == 200 else {
            throw CredentialFault(
                reason: "the machine's managed identity gives no token (HTTP \(answer.status))",
                hint: "give the machine a managed identity, and name it in credentials.azure.client_id where it has several",
                isPassing: answer.status >= 500 || [404, 410, 429].contains(answer.status))
        }
        return Secret(try answer.decode(Token.self).access_token)
    }

    private static func refusal(_ answer: CloudHTTP.Answer) -> CredentialFault {
        let code = CredentialFault.word((try? JSONDecoder().decode(Refusal.self, from: answer.body))?.error?.code)
        let hint =
            switch answer.status {
            case 404: "check the vault's and the secret's name, and its version"
            case 401, 403: "give the agent's identity the role Key Vault Secrets User, and let its network reach the vault"
            default: "see the error's name in the documentation of Azure Key Vault"
            }
        return CredentialFault(
            reason: "Azure Key Vault answered \(code ?? "HTTP \(answer.status)")", hint: hint,
            isPassing: answer.status >= 500 || answer.status == 429)
    }
}
