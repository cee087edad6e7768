// Headers of a delivery that was exported from a journal on files. Inside broker/kafka.
#pragma once

// Its position there, in 8 bytes, of one that was perhaps sent: receivers know it by that, in lane 0, where
// no partition counts.
#define KAFKA_FORMER "former"
#define KAFKA_FAILED "failed" // a FailedDelivery: what it had failed by
