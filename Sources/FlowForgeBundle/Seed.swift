let seedBundle = 0
import Yams
import Crypto
