// While one batch is written the next one gathers: what memory says then is further than the disk. So what is
// told of the disk (decisions, settled positions, publishers' sequences) is marked when a batch is appended,
// and holds when that batch is durable. One batch is under way at most.
#include "broker/internal.h"

void marks_take(struct broker *broker) {
    broker->marked = broker->next_record - 1;
    LIST_EACH(node, &broker->sessions) session_mark(LIST_ITEM(node, struct session, link));
    LIST_EACH(node, &broker->agenda) { // a queue stays there until the disk has what it says
        struct queue *queue = LIST_ITEM(node, struct queue, work);
        if (queue->unwritten.settled.count == 0)
            queue->settled_marked = queue->settled;
        queue_mark(queue);
    }
    for (size_t i = 0; i < broker->publishers.count; i++)
        if (broker->publishers.items[i])
            broker->publishers.items[i]->marked = broker->publishers.items[i]->sequence;
}

static void settle_marks(struct broker *broker) {
    broker->marked = 0;
    LIST_EACH(node, &broker->agenda) {
        struct queue *queue = LIST_ITEM(node, struct queue, work);
        if (queue->settled_durable < queue->settled_marked)
            queue->settled_durable = queue->settled_marked;
        queue_marked(queue);
    }
    for (size_t i = 0; i < broker->publishers.count; i++)
        if (broker->publishers.items[i] &&
            broker->publishers.items[i]->durable < broker->publishers.items[i]->marked)
            broker->publishers.items[i]->durable = broker->publishers.items[i]->marked;
}

void marks_durable(struct broker *broker, uint64_t durable) {
    broker->durable = durable;
    if (durable + 1 == broker->next_record)
        marks_take(broker); // nothing is further than the disk
    if (broker->marked && broker->marked <= durable)
        settle_marks(broker);
}
