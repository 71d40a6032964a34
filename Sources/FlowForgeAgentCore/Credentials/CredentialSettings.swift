public import Foundation

/// `credentials` of `agent.yaml`: what tasks may have of this machine, and where the clouds' services are.
public struct CredentialSettings: Sendable {
    /// Variables of the agent's environment that `env://` may name.
    public var allowedVariables: Set<String>
    /// Folders that `file://` may lead into.
    public var allowedFolders: [URL]
    /// For `aws-sm://` without a region; else the machine's own is asked for.
    public var awsRegion: String?
    /// In the place of `https://secretsmanager.<region>.amazonaws.com`: a VPC endpoint, or a stand-in of a test.
    public var awsEndpoint: String?
    /// In the place of `https://<vault>.vault.azure.net`; the vault's name becomes the first part of the path.
    public var azureEndpoint: String?
    /// What a key vault's name is followed by: `vault.azure.net`, or that of a sovereign cloud.
    public var azureSuffix: String
    /// The managed identity to use where the machine has several.
    public var azureClient: String?
    /// In the place of `https://secretmanager.googleapis.com`.
    public var gcpEndpoint: String?

    public init(
        allowedVariables: Set<String> = [], allowedFolders: [URL] = [], awsRegion: String? = nil, awsEndpoint: String? = nil,
        azureEndpoint: String? = nil, azureSuffix: String = "vault.azure.net", azureClient: String? = nil,
        gcpEndpoint: String? = nil
    ) {
        self.allowedVariables = allowedVariables
        self.allowedFolders = allowedFolders
        self.awsRegion = awsRegion
        self.awsEndpoint = awsEndpoint
        self.azureEndpoint = azureEndpoint
        self.azureSuffix = azureSuffix
        self.azureClient = azureClient
        self.gcpEndpoint = gcpEndpoint
    }
}
