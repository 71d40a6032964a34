import Foundation

/// AWS Secrets Manager, `GetSecretValue`
/// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html).
struct AWSSecrets: Sendable {
    var http: CloudHTTP
    var identity: AWSIdentity
    var settings: CredentialSettings
    var now: @Sendable () -> Date = Date.init

    private struct Value: Decodable {
        var SecretString: String?
        var SecretBinary: Data?
    }

    private struct Refusal: Decodable {
        var __type: String?
    }

    func value(_ secret: String, version: String?, region: String?) async throws -> CredentialValue {
        let region = try await self.region(of: secret, region)
        var question = ["SecretId": secret]
        // Ids of versions have 32 to 64 characters; staging labels are shorter words.
        if let version { question[version.utf8.count >= 32 ? "VersionId" : "VersionStage"] = version }
        let body = try JSONEncoder().encode(question)
        let base = settings.awsEndpoint ?? "https://secretsmanager.\(region).\(Self.domain(of: region))"
        let signature = AWSSignature(keys: try await identity.keys(), region: region, service: "secretsmanager", date: now())
        let headers = signature.sign(
            method: "POST", path: "/",
            headers: [
                "host": Self.host(of: base), "content-type": "application/x-amz-json-1.1",
                "x-amz-target": "secretsmanager.GetSecretValue",
            ], body: body)
        let answer = try await http.send(CloudHTTP.Request(method: "POST", url: base + "/", headers: headers, body: body))
        guard answer.status == 200 else { throw Self.refusal(answer) }
        let value = try answer.decode(Value.self)
        if let text = value.SecretString { return try CredentialValue(text.utf8) }
        return try CredentialValue(value.SecretBinary ?? Data())
    }

    private func region(of secret: String, _ region: String?) async throws -> String {
        let inARN = secret.hasPrefix("arn:") ? secret.split(separator: ":", omittingEmptySubsequences: false)[3] : nil
        if let region = region ?? inARN.map(String.init) ?? settings.awsRegion { return region }
        // What becomes part of a host's name is looked at, wherever it comes from.
        guard let found = try await identity.region(), !found.isEmpty,
            found.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || ($0 > 0x2F && $0 < 0x3A) || ($0 > 0x60 && $0 < 0x7B) })
        else {
            throw CredentialFault(
                reason: "nothing says in which region of AWS the secret is",
                hint: "add ?region=… to the reference, or set credentials.aws.region of the agent's configuration")
        }
        return found
    }

    /// https://docs.aws.amazon.com/general/latest/gr/asm.html
    private static func domain(of region: String) -> String {
        region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    }

    /// As the client writes it into the request.
    private static func host(of base: String) -> String {
        let parts = URLComponents(string: base)
        let usual = parts?.scheme == "http" ? 80 : 443
        let port = parts?.port.flatMap { $0 == usual ? nil : ":\($0)" } ?? ""
        return (parts?.host ?? "") + port
    }

    private static func refusal(_ answer: CloudHTTP.Answer) -> CredentialFault {
        let type = (try? JSONDecoder().decode(Refusal.self, from: answer.body))?.__type
        let code = CredentialFault.word(type?.split(separator: "#").last.map(String.init)) ?? "HTTP \(answer.status)"
        let passing =
            answer.status >= 500 || answer.status == 429
            || ["ThrottlingException", "Throttling", "InternalServiceError", "RequestLimitExceeded"].contains(code)
        let hint =
            switch (code, answer.status) {
            case ("ResourceNotFoundException", _): "check the secret's name, version and region"
            case ("AccessDeniedException", _), (_, 403):
                "allow the agent's role secretsmanager:GetSecretValue, and kms:Decrypt of the secret's key"
            default: "see the error's name in the documentation of AWS Secrets Manager"
            }
        return CredentialFault(reason: "AWS Secrets Manager answered \(code)", hint: hint, isPassing: passing)
    }
}
