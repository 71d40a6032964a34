extension CredentialReference {
    /// Throws what is wrong with the text, without the text.
    public init(_ text: String) throws(CredentialReferenceFault) {
        guard text.utf8.count <= Self.longest else { throw Self.fault("it has more than \(Self.longest) bytes") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Self.fault("it holds a space, a control character or one that is not ASCII")
        }
        guard let separator = Self.separator(in: text) else {
            throw Self.fault(
                "it does not begin with a scheme", "write one of \(Self.schemes.map { "\($0)://" }.joined(separator: ", "))")
        }
        let rest = text[text.index(separator, offsetBy: 3)...]
        switch text[..<separator] {
        case "aws-sm": self = try Self.aws(rest)
        case "azure-kv": self = try Self.azure(rest)
        case "gcp-sm": self = try Self.gcp(rest)
        case "env": self = try Self.environment(rest)
        case "file": self = try Self.file(rest)
        default:
            throw Self.fault("its scheme is not known", "write one of \(Self.schemes.map { "\($0)://" }.joined(separator: ", "))")
        }
    }

    private static func separator(in text: String) -> String.Index? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        return colon
    }

    /// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html: names are letters,
    /// digits and `/_+=.@-`; an ARN has colons beside them.
    private static func aws(_ text: Substring) throws(CredentialReferenceFault) -> Self {
        let form = "write aws-sm://SECRET_ID[#FIELD][?version=…&region=…]"
        let (place, query) = cut(text, at: "?")
        let (secret, field) = cut(place, at: "#")
        guard !secret.isEmpty, isWord(secret, besides: "/_+=.@-:"), !secret.contains(":") || isARN(secret) else {
            throw fault("its SECRET_ID is neither the name nor the ARN of a secret", form)
        }
        var options: [Substring: String] = [:]
        for option in query?.split(separator: "&", omittingEmptySubsequences: false) ?? [] {
            let (key, value) = cut(option, at: "=")
            guard ["version", "region"].contains(key), let value, options[key] == nil else {
                throw fault("its options are not 'version' and 'region', each once with a value", form)
            }
            options[key] = String(value)
        }
        if let version = options["version"], !(1...256).contains(version.utf8.count) || !isWord(version, besides: "_+=.@-") {
            throw fault("its 'version' is neither the id nor the staging label of a version", form)
        }
        if let region = options["region"], !isHostLabel(region[...]) { throw fault("its 'region' is no region", form) }
        return .awsSecretsManager(
            secret: String(secret), field: try self.field(field), version: options["version"], region: options["region"])
    }

    /// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>`; the region becomes part of a host's name.
    private static func isARN(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 7 && parts[0] == "arn" && isHostLabel(parts[1]) && parts[2] == "secretsmanager"
            && isHostLabel(parts[3]) && parts[4].count == 12 && parts[4].allSatisfy(\.isNumber) && parts[5] == "secret"
            && !parts[6].isEmpty
    }

    /// https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates: vaults have 3 to 24 letters,
    /// digits and single hyphens, names 1 to 127 letters, digits and hyphens, versions 32 hexadecimal digits.
    private static func azure(_ text: Substring) throws(CredentialReferenceFault) -> Self {
        let form = "write azure-kv://VAULT/NAME[/VERSION]"
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3 else { throw fault("it has not two or three parts", form) }
        guard (3...24).contains(parts[0].utf8.count), isHostLabel(Substring(parts[0].lowercased())), !parts[0].contains("--")
        else {
            throw fault("its VAULT is not the name of a key vault", form)
        }
        guard (1...127).contains(parts[1].utf8.count), isWord(parts[1], besides: "-") else {
            throw fault("its NAME is not the name of a secret", form)
        }
        let version = parts.count == 3 ? String(parts[2]) : nil
        if let version, version.utf8.count != 32 || !version.allSatisfy(\.isHexDigit) {
            throw fault("its VERSION is not 32 hexadecimal digits", form)
        }
        return .azureKeyVault(vault: parts[0].lowercased(), name: String(parts[1]), version: version)
    }

    /// https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets: a project's id or number, names of
    /// 1 to 255 letters, digits, `-` and `_`, versions that are numbers or aliases.
    private static func gcp(_ text: Substring) throws(CredentialReferenceFault) -> Self {
        let form = "write gcp-sm://PROJECT/NAME[/VERSION]"
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3 else { throw fault("it has not two or three parts", form) }
        let isNumber = !parts[0].isEmpty && parts[0].utf8.count <= 20 && parts[0].allSatisfy(\.isNumber)
        guard isNumber || ((6...30).contains(parts[0].utf8.count) && isHostLabel(parts[0])) else {
            throw fault("its PROJECT is neither the id nor the number of a project", form)
        }
        guard (1...255).contains(parts[1].utf8.count), isWord(parts[1], besides: "-_") else {
            throw fault("its NAME is not the name of a secret", form)
        }
        let version = parts.count == 3 ? String(parts[2]) : nil
        if let version, !(1...63).contains(version.utf8.count) || !isWord(version, besides: "-_") {
            throw fault("its VERSION is neither a number nor an alias", form)
        }
        return .gcpSecretManager(project: String(parts[0]), name: String(parts[1]), version: version)
    }

    private static func environment(_ text: Substring) throws(CredentialReferenceFault) -> Self {
        guard let first = text.utf8.first, (1...128).contains(text.utf8.count), isWord(text, besides: "_"),
            !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
        else {
            throw fault("its NAME is not the name of a variable", "write env://NAME with letters, digits and '_'")
        }
        return .environment(name: String(text))
    }

    private static func file(_ text: Substring) throws(CredentialReferenceFault) -> Self {
        let form = "write file:///PATH[#FIELD] with an absolute path without '..'"
        let (path, field) = cut(text, at: "#")
        guard path.hasPrefix("/") else { throw fault("its path is not absolute", form) }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.isEmpty, parts.allSatisfy({ !["", ".", ".."].contains($0) }) else {
            throw fault("its path has an empty part, '.' or '..'", form)
        }
        guard !path.contains(where: { "?%*\\".contains($0) }) else { throw fault("its path holds one of ? % * \\", form) }
        return .file(path: String(path), field: try self.field(field))
    }

    private static func field(_ text: Substring?) throws(CredentialReferenceFault) -> String? {
        guard let text else { return nil }
        guard (1...128).contains(text.utf8.count), isWord(text, besides: "_.-") else {
            throw fault(
                "its FIELD is not 1 to 128 letters, digits, '_', '.' and '-'", "name one member of the secret's JSON object")
        }
        return String(text)
    }

    /// What stands before the first `character`, and what behind it.
    private static func cut(_ text: Substring, at character: Character) -> (Substring, Substring?) {
        guard let place = text.firstIndex(of: character) else { return (text, nil) }
        return (text[..<place], text[text.index(after: place)...])
    }

    private static func isWord(_ text: some StringProtocol, besides others: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: others.utf8.contains(byte)
            }
        }
    }

    /// Lower-case letters, digits and hyphens, a letter first and no hyphen last.
    private static func isHostLabel(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first), text.utf8.count <= 63 else {
            return false
        }
        return isWord(text, besides: "-") && text.last != "-" && !text.contains(where: \.isUppercase)
    }

    private static func fault(_ message: String, _ hint: String = "see docs/bundle.md, Credentials") -> CredentialReferenceFault {
        CredentialReferenceFault(message: message, hint: hint)
    }
}
